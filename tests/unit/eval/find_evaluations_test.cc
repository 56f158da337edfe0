// SPDX-License-Identifier: Apache-2.0
#include "eval/find_evaluations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "eval/evaluation.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;

void write(const fs::path& folder, const std::string& system, const std::string& users) {
  ThreadPool pool(1);
  RankList ranks;
  ranks.add(0, 1, {1, false});
  Protocol protocol;
  protocol.users = users;
  const auto name = [](int64_t id) { return std::to_string(id); };
  write_evaluation(folder, evaluate_ranks(system, protocol, ranks, name, name, pool));
}

template <typename E>
std::string error_of(const fs::path& folder) {
  try {
    expect_evaluation(folder);
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << folder << ": no error of the kind";
  return "";
}

TEST(FindEvaluations, NamesWhatAFolderHoldsAndHowToCompareIt) {
  const test::TemporaryFolder folder;
  const fs::path out = folder / "out";
  write(out / "all" / "lrurec", "lrurec", "all");
  write(out / "subset" / "letters", "letters", "valid retrieval");
  write(out / "subset" / "lrurec", "lrurec", "valid retrieval");
  write_file(out / "all" / "metrics.json", std::string_view("{}"));  // of something else
  EXPECT_NO_THROW(expect_evaluation(out / "all" / "lrurec"));

  const auto found = find_evaluations(out);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[1].folder, out / "subset" / "letters");
  EXPECT_EQ(found[1].system, "letters");
  EXPECT_EQ(found[1].users, "valid retrieval");
  EXPECT_NE(found[0].rules, found[1].rules);
  EXPECT_EQ(found[1].rules, found[2].rules);

  // The example takes two of the same users.
  const std::string text = error_of<UsageError>(out);
  EXPECT_THAT(text, HasSubstr("holds 3 evaluations"));
  EXPECT_THAT(text, HasSubstr(fmt::format("tandem compare {0}/subset/letters {0}/subset/lrurec\n",
                                          out.string())));
  EXPECT_THAT(text, HasSubstr("all/lrurec  (lrurec, users: all)"));
  EXPECT_THAT(text, testing::Not(HasSubstr("study")));
  EXPECT_THAT(error_of<UsageError>(out / "all"), HasSubstr("holds one; name that"));
}

TEST(FindEvaluations, AStudyIsNamedAndNothingIsSaidOfNothing) {
  const test::TemporaryFolder folder;
  const fs::path out = folder / "out";
  for (const char* seed : {"1", "2"})
    write(out / "steps" / seed / "out" / "all" / "letters", "letters", "all");
  write_file(out / "results.json", std::string_view("{}"));
  const std::string text = error_of<UsageError>(out);
  EXPECT_THAT(text, HasSubstr("holds 2 evaluations"));
  EXPECT_THAT(text, HasSubstr("it is a study: its own comparisons stand in "));
  fs::create_directories(folder / "empty");
  EXPECT_THAT(error_of<DataError>(folder / "empty"), HasSubstr("holds no evaluation"));
  EXPECT_THAT(error_of<IoError>(folder / "absent"), HasSubstr("there is no such folder"));
}

}  // namespace
}  // namespace tandem
