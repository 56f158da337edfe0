// SPDX-License-Identifier: Apache-2.0
#include "rank/recommend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "rank/catalogue.h"
#include "offline/recommendation_file.h"
#include "support/temporary_folder.h"
#include "support/constant_retriever.h"
#include "support/named_dataset.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

using testing::HasSubstr;
using Items = std::vector<int32_t>;

Items items_of(const std::vector<Recommendation>& list) {
  Items items;
  for (const Recommendation& entry : list) items.push_back(entry.item);
  return items;
}

std::vector<double> scores_of(const std::vector<Recommendation>& list) {
  std::vector<double> scores;
  for (const Recommendation& entry : list) scores.push_back(entry.score);
  return scores;
}

TEST(Recommend, TheBestThatTheRuleAllows) {
  ThreadPool pool(1);
  // b, then c and d, which are equal, a, f, e; the model sees two items.
  const auto retriever = test::constant_retriever({.5f, .75f, .625f, .625f, .125f, .25f}, 2);
  const Items history = {2, 1, 5};
  const auto asked = [&](int64_t k, SeenItems seen) {
    return recommend(*retriever, history, k, seen, pool);
  };
  EXPECT_EQ(items_of(asked(3, SeenItems::kNone)), (Items{2, 3, 4}));
  EXPECT_EQ(items_of(asked(3, SeenItems::kWindow)), (Items{2, 3, 4}));
  EXPECT_EQ(items_of(asked(9, SeenItems::kWindow)), (Items{2, 3, 4, 6}));
  const auto full = asked(9, SeenItems::kHistory);
  EXPECT_EQ(items_of(full), (Items{3, 4, 6}));
  EXPECT_EQ(scores_of(full), (std::vector<double>{.625, .625, .25}));
  EXPECT_EQ(full[2].retrieved, 3);
  EXPECT_TRUE(full[0].reasons.empty());
}

// Counts: c 4, a 3, b 3, d 1; held-out items are counted.
TEST(PopularItems, AreThoseWithMostInteractions) {
  const test::TemporaryFolder folder;
  const Dataset dataset = test::named_dataset(
      folder / "data", {{"a", "b", "c", "c"}, {"b", "a", "c"}, {"a", "b", "d", "c"}});
  const PopularItems popular(dataset);
  EXPECT_EQ(items_of(popular.top(9)), (Items{3, 1, 2, 4}));
  EXPECT_EQ(scores_of(popular.top(9)), (std::vector<double>{4, 3, 3, 1}));
  EXPECT_EQ(items_of(popular.top(2)), (Items{3, 1}));
  const Items had = {4, 3, 3};
  EXPECT_EQ(items_of(popular.top(2, had)), (Items{1, 2}));
  EXPECT_EQ(popular.top(1)[0].retrieved, 0);
}

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
  recommend_to_all(*retriever, later, 2, SeenItems::kHistory, pool_,
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
  recommend_to_all(*retriever, later, 1, SeenItems::kNone, pool_,
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

// Both stages: the fused score is the weighted sum of log probabilities over the candidates.
TEST(RecommendTwoStage, FusesTheScorersWithTheirWeights) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  const Dataset dataset = test::tiny_dataset(folder);  // 15 items
  std::vector<float> scores(15, 0);
  for (size_t item = 1; item <= 15; ++item) scores[item - 1] = .1f * static_cast<float>(item);
  const auto retriever = test::constant_retriever(scores, 10);
  SecondStageModels models;
  PromptConfig prompt;
  prompt.num_candidates = 4;
  models.letters = std::make_unique<TitledRanker>(
      load_ranker(test::tiny_base(folder, pool), prompt), dataset, pool);
  models.num_candidates = 4;
  const Items history = {15, 3};
  // The retriever's four are 14, 13, 12, 11.
  const auto asked = [&](double retriever_weight, double letters_weight, int64_t k) {
    return recommend_two_stage(
        *retriever, models, history, k, SeenItems::kHistory,
        [&](const std::string& name) {
          return name == "letters" ? letters_weight : retriever_weight;
        },
        pool);
  };
  const auto alone = asked(1, 0, 4);
  EXPECT_EQ(items_of(alone), (Items{14, 13, 12, 11}));
  double total = 0;
  for (const double score : {1.4, 1.3, 1.2, 1.1}) total += std::exp(score);
  EXPECT_NEAR(alone[1].score, 1.3 - std::log(total), 1e-6);
  EXPECT_NEAR(alone[1].reasons[0].second, std::exp(1.3) / total, 1e-6);
  EXPECT_EQ(alone[0].reasons[0].first, "lrurec");
  EXPECT_EQ(alone[0].reasons[1].first, "letters");

  const RankingSample sample{.history = history, .candidates = {14, 13, 12, 11}};
  const Matrix letters =
      letter_scores(*models.letters, std::span(&sample, 1), 1, pool).log_probabilities;
  for (const Recommendation& entry : asked(.5, 2, 4)) {
    const auto place = static_cast<size_t>(14 - entry.item);
    EXPECT_EQ(entry.retrieved, static_cast<int64_t>(place) + 1);
    EXPECT_NEAR(entry.reasons[1].second, std::exp(letters.values[place]), 1e-6);
    EXPECT_NEAR(entry.score,
                .5 * std::log(entry.reasons[0].second) + 2 * std::log(entry.reasons[1].second),
                1e-5);
  }
  const auto fused = asked(.5, 2, 4), two = asked(.5, 2, 2);
  for (size_t i = 1; i < 4; ++i) EXPECT_GE(fused[i - 1].score, fused[i].score);
  EXPECT_EQ(items_of(two), (Items{fused[0].item, fused[1].item}));
}

}  // namespace
}  // namespace tandem
