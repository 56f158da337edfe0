// SPDX-License-Identifier: Apache-2.0
#include "eval/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;

Evaluation sample_evaluation() {
  RankList ranks;
  ranks.add(0, 3, {.rank = 1, .tied = false});
  ranks.add(2, 9, {.rank = 4, .tied = true});
  ranks.add(5, 1, {.rank = 70, .tied = false});
  ranks.add(6, 4, {.excluded = true});
  Protocol protocol;
  protocol.cutoffs = {10, 1};
  protocol.resampling = {.resamples = 200, .seed = 5};
  protocol.fingerprint = "abc";
  protocol.version = "0.1.0";
  ThreadPool pool(1);
  return evaluate_ranks(
      "lrurec", protocol, ranks, [](int64_t user) { return "u\t" + std::to_string(user); },
      [](int64_t item) { return "i\\" + std::to_string(item); }, pool);
}

// Runs action and gives the text of the FormatError that it must throw.
std::string format_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const FormatError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
    return error.what();
  }
  ADD_FAILURE() << "no FormatError";
  return "";
}

void replace_in(const fs::path& path, const std::string& from, const std::string& to) {
  std::string text = read_file(path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  write_file(path, text.replace(at, from.size(), to));
}

TEST(Evaluation, MeansAreExact) {
  const Evaluation evaluation = sample_evaluation();
  ASSERT_EQ(evaluation.metrics.size(), 6U);
  EXPECT_EQ(evaluation.metrics[1].name, "Recall@10");
  EXPECT_DOUBLE_EQ(evaluation.metrics[0].value, 0.25);
  EXPECT_DOUBLE_EQ(evaluation.metrics[1].value, 0.5);
  EXPECT_DOUBLE_EQ(evaluation.metrics[3].value, (1.0 + 0.25) / 4);
  const double at_4 = 1 / std::log2(5.0);
  EXPECT_DOUBLE_EQ(evaluation.metrics[4].value, 0.25);
  EXPECT_DOUBLE_EQ(evaluation.metrics[5].value, (1 + at_4) / 4);
  // The intervals are the bootstrap's of the users' values.
  UserValues values{.num_users = 4, .num_metrics = 6, .values = {1, 1, 1, 1,    1, 1,     //
                                                                 0, 1, 0, 0.25, 0, at_4,  //
                                                                 0, 0, 0, 0,    0, 0,     //
                                                                 0, 0, 0, 0,    0, 0}};
  ThreadPool pool(1);
  const auto intervals = bootstrap_intervals(values, {.resamples = 200, .seed = 5}, pool);
  for (size_t m = 0; m < 6; ++m) {
    EXPECT_EQ(evaluation.metrics[m].interval.low, intervals[m].low) << m;
    EXPECT_EQ(evaluation.metrics[m].interval.high, intervals[m].high) << m;
  }
}

TEST(Evaluation, WritesAndReadsBack) {
  const test::TemporaryFolder folder;
  Evaluation written = sample_evaluation();
  written.protocol.precision = "bfloat16";
  written.facts = {{"titles", "1f"}};
  write_evaluation(folder / "eval", written);
  const Evaluation read = read_evaluation(folder / "eval");
  EXPECT_EQ(read.system, "lrurec");
  EXPECT_EQ(read.facts, written.facts);
  EXPECT_EQ(read.user_ids, written.user_ids);  // with a tab in them
  EXPECT_EQ(read.target_ids, written.target_ids);
  EXPECT_EQ(read.ranks, written.ranks);
  EXPECT_EQ(read.tied, written.tied);
  EXPECT_EQ(read.num_tied(), 1);
  EXPECT_EQ(read.excluded, (std::vector<uint8_t>{0, 0, 0, 1}));
  EXPECT_EQ(read.describe(), written.describe());
  EXPECT_EQ(read.protocol.cutoffs, (std::vector<int32_t>{1, 10}));
  EXPECT_EQ(read.protocol.tie_rule, TieRule::kStrict);
  EXPECT_EQ(read.protocol.precision, "bfloat16");
  EXPECT_EQ(read.protocol.resampling.seed, 5U);
  EXPECT_EQ(read.protocol.fingerprint, "abc");
  for (size_t m = 0; m < read.metrics.size(); ++m) {
    EXPECT_DOUBLE_EQ(read.metrics[m].value, written.metrics[m].value);
    EXPECT_DOUBLE_EQ(read.metrics[m].interval.low, written.metrics[m].interval.low);
  }
}

TEST(Evaluation, SaysHowManyTargetsWereTiedAndHowManyExcluded) {
  Evaluation evaluation = sample_evaluation();
  EXPECT_EQ(evaluation.num_excluded(), 1);
  EXPECT_THAT(evaluation.describe(),
              HasSubstr("; 1 of 4 held-out items tied. 1 of 4 held-out items "
                        "had been in the user's input window"));
  EXPECT_THAT(evaluation.describe(), HasSubstr("--exclude none"));
  evaluation.excluded.back() = 0;
  evaluation.ranks.back() = 90;
  EXPECT_THAT(evaluation.describe(), testing::EndsWith("1 of 4 held-out items tied"));
}

// Rank 0 among all items that nothing forbids: the model has no score for it.
TEST(Evaluation, SaysHowManyTargetsTheModelDoesNotKnow) {
  Evaluation evaluation = sample_evaluation();
  EXPECT_EQ(evaluation.num_unknown(), 0);
  EXPECT_EQ(evaluation.unknown_sentence(), "");
  evaluation.ranks[2] = 0;
  EXPECT_EQ(evaluation.num_unknown(), 1);
  EXPECT_THAT(evaluation.describe(), HasSubstr("1 of 4 held-out items had been in the"));
  EXPECT_THAT(evaluation.describe(),
              testing::EndsWith("1 of 4 held-out items are unknown to the model, which was trained "
                                "without them: they count as misses"));
  evaluation.protocol.candidate_set = "lrurec top 20";  // there 0 is: not among the candidates
  EXPECT_EQ(evaluation.num_unknown(), 0);
}

TEST(Evaluation, NamesItsUsersInWords) {
  EXPECT_EQ(users_text("all"), "all users");
  EXPECT_EQ(users_text("300 drawn with seed 42"), "300 users drawn with seed 42");
  EXPECT_EQ(users_text("1 drawn with seed 42"), "1 user drawn with seed 42");
  EXPECT_EQ(users_text("valid retrieval"), "users whose held-out item was retrieved");
  EXPECT_EQ(users_text("valid retrieval of 300 drawn with seed 42"),
            "users whose held-out item was retrieved, of 300 users drawn with seed 42");
}

// The first version of the folder had four columns, and excluded targets were among the tied ones.
TEST(Evaluation, ReadsAFolderThatDoesNotTellExcludedTargets) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "eval";
  write_evaluation(path, sample_evaluation());
  replace_in(path / "metrics.json", "tandem-evaluation-2", "tandem-evaluation-1");
  replace_in(path / "metrics.json", "\"num_tied\": 1", "\"num_tied\": 2");
  write_file(path / "ranks.tsv",
             "user\ttarget\trank\ttied\nu0\ti3\t1\t0\nu2\ti9\t4\t1\nu5\ti1\t70\t0\n"
             "u6\ti4\t90\t1\n");
  const Evaluation read = read_evaluation(path);
  EXPECT_EQ(read.num_users(), 4);
  EXPECT_EQ(read.num_excluded(), 0);
  EXPECT_THAT(read.describe(), HasSubstr("2 of 4 held-out items tied or excluded"));
}

TEST(Evaluation, KeepsAnExistingFolderUnlessToldOtherwise) {
  const test::TemporaryFolder folder;
  write_evaluation(folder / "eval", sample_evaluation());
  EXPECT_THROW(write_evaluation(folder / "eval", sample_evaluation()), IoError);
  EXPECT_NO_THROW(
      write_evaluation({folder / "eval", kEvaluationFolder, true}, sample_evaluation()));
}

TEST(Evaluation, NoUserIsAnError) {
  ThreadPool pool(1);
  const NameOf name = [](int64_t) { return std::string("x"); };
  EXPECT_THROW(evaluate_ranks("s", {}, {}, name, name, pool), DataError);
}

TEST(ReadEvaluation, NamesFileLineAndWhatIsWrong) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "eval";
  const auto broken = [&](const char* file, const std::string& from, const std::string& to) {
    write_evaluation({path, kEvaluationFolder, true}, sample_evaluation());
    replace_in(path / file, from, to);
    return format_error([&] { read_evaluation(path); });
  };
  EXPECT_THAT(broken("ranks.tsv", "\t70\t", "\tx70\t"), HasSubstr("ranks.tsv:4: rank is 'x70'"));
  EXPECT_THAT(broken("ranks.tsv", "\t70\t0", "\t70\t2"), HasSubstr("ranks.tsv:4: tied is '2'"));
  EXPECT_THAT(broken("ranks.tsv", "\t70\t0", "\t70"), HasSubstr("ranks.tsv:4"));
  EXPECT_THAT(broken("ranks.tsv", "\t70\t0", "\t70\t0\t1"), HasSubstr("expected 5 fields"));
  EXPECT_THAT(broken("ranks.tsv", "\t70\t0\t0", "\t70\t0\t2"), HasSubstr("excluded is '2'"));
  EXPECT_THAT(broken("ranks.tsv", "\t70\t0\t0", "\t70\t0\t1"), HasSubstr("has rank 70"));
  EXPECT_THAT(broken("metrics.json", "\"num_excluded\": 1", "\"num_excluded\": 2"),
              HasSubstr("num_excluded is 2"));
  EXPECT_THAT(broken("ranks.tsv", "u\\t5", "u\\t2"), HasSubstr("stands twice"));
  EXPECT_THAT(broken("ranks.tsv", "u\\t5", "u\\x5"), HasSubstr("backslash"));
  EXPECT_THAT(broken("ranks.tsv", "user\t", "users\t"), HasSubstr("ranks.tsv:1"));
  // One rank changed: the stored metrics no longer follow.
  EXPECT_THAT(broken("ranks.tsv", "\t70\t", "\t7\t"), HasSubstr("Recall@10"));
  EXPECT_THAT(broken("metrics.json", "\"num_users\": 4", "\"num_users\": 5"),
              HasSubstr("num_users is 5"));
  EXPECT_THAT(broken("metrics.json", "strict", "lax"), HasSubstr("lax"));
  EXPECT_THAT(broken("metrics.json", "\"split\"", "\"spilt\""), HasSubstr("split"));
  EXPECT_THAT(broken("metrics.json", "tandem-evaluation-2", "tandem-evaluation-9"),
              HasSubstr("-9"));
  EXPECT_THROW(read_evaluation(folder / "absent"), IoError);
}

TEST(MetricTable, HasMetricsAsRowsAndSystemsAsColumns) {
  Evaluation a = sample_evaluation(), b = sample_evaluation();
  b.system = "popularity";
  b.metrics[1] = {"Recall@10", 0.125, {0.1, 0.2}};
  const std::string table = metric_table(std::vector<Evaluation>{a, b});
  EXPECT_THAT(table, HasSubstr("lrurec"));
  EXPECT_THAT(table, HasSubstr("0.1250 [0.1000, 0.2000]\n"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 7);
  b.metrics.pop_back();
  EXPECT_THROW(metric_table(std::vector<Evaluation>{a, b}), ShapeError);
}

}  // namespace
}  // namespace tandem
