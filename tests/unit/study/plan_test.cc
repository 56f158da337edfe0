// SPDX-License-Identifier: Apache-2.0
#include "study/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/error.h"
#include "study/fairness.h"
#include "study/process.h"
#include "study/run_steps.h"
#include "unit/eval/temporary_folder.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;

constexpr const char* kStudy = R"(
title: test
seeds: [1, 2]
baseline: old
candidates: 10
datasets:
  films: {import: {format: csv, input: films.csv}}
retriever: {model: {dropout: 0.5}, datasets: {films: {model.dropout: 0.3}}}
bases:
  small:
    tokenizer: {vocab-size: 300, titles-as-tokens: true}
    init: {preset: tiny}
    pretrain: {train.max_steps: 5}
prompt: {title_truncation: "chars:40"}
ranker: {train.lr: 0.1}
arms:
  old: {base: small, verbalizer: compat, ranker: {}}
  new: {base: small, ranker: {train.lr: 0.2}}
  alone: {retriever: shared}
  other: {retriever: {model.type: sasrec}}
  popular: {retriever: popularity}
)";

class Study : public ::testing::Test {
 protected:
  StudyConfig read(const std::string& text) {
    write_file(folder_ / "films.csv", std::string_view("user,item\n"));
    write_file(folder_ / "study.yaml", text);
    return read_study_config(folder_ / "study.yaml");
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  }
  void expect_error(const std::string& text, const std::string& part) {
    try {
      read(text);
      FAIL() << "no error: " << part;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }
  std::string line(const StudyPlan& plan, size_t step) {
    std::string text = plan.steps[step].verb;
    for (const StepWord& word : plan.steps[step].words)
      text += " " + (word.step ? "<" + plan.steps[*word.step].verb + ">" : word.text);
    return text;
  }
  size_t count(const StudyPlan& plan, const std::string& verb) {
    return static_cast<size_t>(std::ranges::count(plan.steps, verb, &Step::verb));
  }

  test::TemporaryFolder folder_;
};

TEST_F(Study, ArmsShareWhatTheyHaveInCommon) {
  const StudyPlan plan = make_study_plan(read(kStudy), folder_ / "out");
  EXPECT_EQ(count(plan, "data import"), 1u);
  EXPECT_EQ(count(plan, "tokenizer train"), 1u);  // no seed in it
  EXPECT_EQ(count(plan, "train retriever"), 4u);  // shared and sasrec, two seeds
  EXPECT_EQ(count(plan, "retrieve"), 4u);         // valid and test, two seeds
  EXPECT_EQ(count(plan, "pretrain"), 2u);
  EXPECT_EQ(count(plan, "train ranker"), 4u);
  EXPECT_EQ(count(plan, "eval"), 9u);  // popularity knows no seed
  EXPECT_EQ(plan.cells.size(), 10u);
}

TEST_F(Study, CommandsAreWhatOneWouldType) {
  const StudyPlan plan = make_study_plan(read(kStudy), folder_ / "out");
  const StudyCell& cell = plan.cells[0];
  EXPECT_EQ(line(plan, *cell.retriever),
            "train retriever --dataset <data import> --set seed=1 --set model.dropout=0.3");
  EXPECT_EQ(line(plan, *cell.ranker),
            "train ranker --dataset <data import> --base <pretrain> --candidates-valid <retrieve> "
            "--set seed=1 --set train.lr=0.1 --set prompt.num_candidates=10 --set "
            "prompt.title_truncation=chars:40 --set prompt.verbalizer=compat");
  EXPECT_EQ(line(plan, cell.eval),
            "eval --dataset <data import> --retriever <retrieve> --ranker <train ranker> "
            "--resamples 2000");
  EXPECT_EQ(line(plan, plan.cells[4].eval),
            "eval --dataset <data import> --retriever popularity --resamples 2000");
}

TEST_F(Study, AKeyFollowsFromTheCommandAndItsInputs) {
  const StudyPlan plan = make_study_plan(read(kStudy), folder_ / "out");
  const StudyPlan again = make_study_plan(read(kStudy), folder_ / "elsewhere");
  for (size_t i = 0; i < plan.steps.size(); ++i) EXPECT_EQ(plan.steps[i].key, again.steps[i].key);

  const StudyPlan faster =
      make_study_plan(read(replaced(kStudy, "train.lr: 0.2", "train.lr: 0.3")), folder_ / "out");
  EXPECT_EQ(plan.steps[*plan.cells[0].ranker].key, faster.steps[*faster.cells[0].ranker].key);
  EXPECT_NE(plan.steps[*plan.cells[1].ranker].key, faster.steps[*faster.cells[1].ranker].key);
  EXPECT_NE(plan.steps[plan.cells[1].eval].key, faster.steps[faster.cells[1].eval].key);

  const StudyConfig config = read(kStudy);
  write_file(folder_ / "films.csv", std::string_view("user,item\n1,2\n"));
  const StudyPlan other = make_study_plan(config, folder_ / "out");
  for (size_t i = 0; i < plan.steps.size(); ++i) EXPECT_NE(plan.steps[i].key, other.steps[i].key);
}

TEST_F(Study, MistakesAreNamed) {
  expect_error(replaced(kStudy, "seeds: [1, 2]", "seed: [1]"), "unknown key 'seed'");
  expect_error(replaced(kStudy, "seeds: [1, 2]", "seeds: [1, 1]"), "a seed stands twice");
  expect_error(replaced(kStudy, "baseline: old", "baseline: oldest"),
               "baseline 'oldest' is not there; there are old, new");
  expect_error(replaced(kStudy, "base: small, ranker: {train.lr", "base: smal, ranker: {train.lr"),
               "did you mean 'small'?");
  expect_error(replaced(kStudy, "popular: {", "../popular: {"), "must be of letters");
  expect_error(replaced(kStudy, "title_truncation: \"chars:40\"", "num_candidates: 7"),
               "show 7 candidates, but 10 are retrieved");
  expect_error(replaced(kStudy, "candidates: 10", "candidates: ten"), "expected a number");
  expect_error("[1, 2]", "must be a map");
  expect_error("a: [", "study.yaml");
}

TEST(Fairness, NamesWhatDiffersAndWhoHasIt) {
  FairnessTable table{.dataset = "films", .seed = 42, .arms = {}};
  table.arms.push_back({"a", {{"data set", "x"}, {"title text", "1"}}, {{"tokenizer", "p"}}});
  table.arms.push_back({"b", {{"data set", "x"}, {"title text", "2"}}, {{"tokenizer", "q"}}});
  table.arms.push_back({"c", {{"data set", "x"}}, {}});  // a retriever alone has no titles
  const auto lines = differences(table);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], "films, seed 42: title text differs: 1 in a; 2 in b");
  EXPECT_THAT(fairness_text(table), HasSubstr("equal in all 3 arms"));
  table.arms[1].equal[1].second = "1";
  EXPECT_TRUE(differences(table).empty());
}

TEST(Process, GivesOutputAndExitCode) {
  const test::TemporaryFolder folder;
  std::string seen;
  const ProcessResult result =
      run_process("/bin/sh", {"-c", "echo one; echo two >&2; exit 3"}, folder / "log.txt",
                  [&](std::string_view line) { seen += std::string(line) + ";"; });
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(seen, "one;two;");
  EXPECT_EQ(read_file(folder / "log.txt"), "one\ntwo\n");
  EXPECT_EQ(result.tail, "  | one\n  | two");
  EXPECT_EQ(
      run_process("/bin/sh", {"-c", "kill -KILL $$"}, folder / "log.txt", [](std::string_view) {})
          .signal,
      9);
  EXPECT_THROW(run_process("/no/such/program", {}, folder / "log.txt", [](std::string_view) {}),
               IoError);
  EXPECT_EQ(command_line({"eval", "--set", "a=b c", "it's"}),
            "tandem eval --set 'a=b c' 'it'\\''s'");
}

}  // namespace
}  // namespace tandem
