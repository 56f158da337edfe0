// SPDX-License-Identifier: Apache-2.0
#include "offline/recommend_all.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/json.h"
#include "offline/recommendation_file.h"
#include "rank/catalogue.h"
#include "support/constant_retriever.h"
#include "support/named_dataset.h"
#include "support/recommendation_lists.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using test::items_of;
using test::scores_of;
using testing::HasSubstr;
using Items = std::vector<int32_t>;

class RecommendToAll : public testing::Test {
 protected:
  // A run whose scores are a .5, b .75, c .625, d .125.
  fs::path write_run() {
    const Dataset trained = test::named_dataset(folder_ / "trained", {{"a", "b", "c", "d"}});
    test::write_constant_run(folder_ / "run", {.5f, .75f, .625f, .125f}, 5, trained.fingerprint());
    write_item_ids(folder_ / "run", trained);
    return folder_ / "run";
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
};

// The newest event counts, held out or not; who has only items that the model does not know gets
// popular ones.
TEST_F(RecommendToAll, EveryUserAfterItsWholeHistory) {
  const Dataset later = test::named_dataset(
      folder_ / "later", {{"a", "c", "b"}, {"x", "x"}, {"d", "a", "x", "c"}, {"b"}});
  const auto retriever = open_retriever(write_run(), later).retriever;
  std::vector<UserRecommendations> all;
  recommend_to_all(*retriever, later, 2, engine::SeenItems::kHistory, pool_,
                   [&](const UserRecommendations& user) { all.push_back(user); });
  ASSERT_EQ(all.size(), 4u);
  for (size_t user = 0; user < 4; ++user) {
    EXPECT_EQ(all[user].user, static_cast<int64_t>(user));
    EXPECT_EQ(all[user].popular, user == 1);
  }
  EXPECT_EQ(items_of(all[0].items), (Items{4}));     // d is all that is left
  EXPECT_EQ(items_of(all[1].items), (Items{1, 2}));  // a and b, taken twice
  EXPECT_EQ(scores_of(all[1].items), (std::vector<double>{2, 2}));
  EXPECT_EQ(items_of(all[2].items), (Items{2}));
  EXPECT_EQ(items_of(all[3].items), (Items{3, 1}));
  all.clear();
  recommend_to_all(*retriever, later, 1, engine::SeenItems::kNone, pool_,
                   [&](const UserRecommendations& user) { all.push_back(user); });
  EXPECT_EQ(items_of(all[0].items), (Items{2}));
  EXPECT_EQ(items_of(all[1].items), (Items{5}));  // x itself, taken three times
}

TEST_F(RecommendToAll, IsWrittenAsJsonLinesAndAsCsv) {
  const Dataset dataset = test::named_dataset(folder_ / "data", {{"a", "b,\"c"}, {"b,\"c", "d"}});
  const auto write = [&](const std::string& name) {
    const fs::path path = folder_ / name.c_str();
    RecommendationFile file(path, dataset, "lrurec");
    file.add({.user = 0, .items = {{.item = 2, .score = .1f}, {.item = 3, .score = -2}}});
    file.add({.user = 1, .popular = true, .items = {{.item = 1, .score = 7}}});
    EXPECT_FALSE(fs::exists(path));
    file.commit();
    EXPECT_TRUE(Output(path, kRecommendationFile, true).replaces());
    return read_file(path);
  };
  EXPECT_EQ(write("x.csv"),
            "user_id,rank,item_id,title,score,source\n"
            "u0,1,\"b,\"\"c\",\"Title of b,\"\"c\",0.1,lrurec\n"
            "u0,2,d,Title of d,-2,lrurec\n"
            "u1,1,a,Title of a,7,popularity\n");
  EXPECT_EQ(write("x.jsonl"),
            R"({"user_id":"u0","source":"lrurec","recommendations":[)"
            R"({"rank":1,"item_id":"b,\"c","title":"Title of b,\"c","score":0.1},)"
            R"({"rank":2,"item_id":"d","title":"Title of d","score":-2.0}]})"
            "\n"
            R"({"user_id":"u1","source":"popularity","recommendations":[)"
            R"({"rank":1,"item_id":"a","title":"Title of a","score":7.0}]})"
            "\n");
}

TEST_F(RecommendToAll, AnUnfinishedOrStrangeFileIsNotTouched) {
  const Dataset dataset = test::named_dataset(folder_ / "data", {{"a", "b"}});
  {
    RecommendationFile file(folder_ / "x.csv", dataset, "lrurec");
    file.add({.user = 0, .items = {{.item = 2, .score = 1}}});
  }
  for (const auto& entry : fs::directory_iterator(folder_ / "."))
    EXPECT_EQ(entry.path().filename().string().find("x.csv"), std::string::npos) << entry.path();
  EXPECT_THROW(RecommendationFile(folder_ / "x.txt", dataset, "lrurec"), UsageError);
  write_file(folder_ / "y.csv", "user,item\n1,2\n");
  write_file(folder_ / "y.jsonl", "{\"user_id\": 3}\n");
  for (const char* name : {"y.csv", "y.jsonl"})
    EXPECT_THROW(Output(folder_ / name, kRecommendationFile, true), IoError) << name;
  write_file(folder_ / "z.csv", "user_id,rank,item_id,title,score,source\n");
  EXPECT_THROW(Output(folder_ / "z.csv", kRecommendationFile, false), IoError);
  RecommendationFile({folder_ / "z.csv", kRecommendationFile, true}, dataset, "lrurec").commit();
}

}  // namespace
}  // namespace tandem
