// SPDX-License-Identifier: Apache-2.0
#include "study/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <string>

#include "core/error.h"
#include "study/path_fingerprint.h"
#include "study/process.h"
#include "study/run_steps.h"
#include "support/temporary_folder.h"

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

// The subset is what the shared retriever found: without a ranker nothing there is ranked anew.
TEST_F(Study, ASubsetNeedsARanker) {
  EXPECT_TRUE(make_study_plan(read(kStudy), folder_ / "out").subset[0].has_value());
  StudyConfig config = read(kStudy);
  std::erase_if(config.arms, [](const StudyArm& arm) { return !arm.is_retriever(); });
  config.compare.clear();
  const StudyPlan plan = make_study_plan(config, folder_ / "out");
  EXPECT_FALSE(plan.subset[0].has_value());
  EXPECT_EQ(count(plan, "retrieve"), 0u);
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

// Whose key changes when one thing does. Steps are told by their verb; those that read a changed
// step change with it.
TEST_F(Study, EveryPartOfAStepCountsInItsKey) {
  const StudyConfig config = read(kStudy);
  const StudyPlan plan = make_study_plan(config, folder_ / "out");
  const auto changed = [&](const std::function<void(StudyConfig&)>& change) {
    StudyConfig other = config;
    change(other);
    const StudyPlan again = make_study_plan(other, folder_ / "out");
    std::set<std::string> verbs;
    EXPECT_EQ(again.steps.size(), plan.steps.size());
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      if (plan.steps[i].key != again.steps[i].key) verbs.insert(plan.steps[i].verb);
    }
    return verbs;
  };
  using Verbs = std::set<std::string>;
  const Verbs after_retriever = {"train retriever", "retrieve", "train ranker", "eval"};
  EXPECT_EQ(changed([](StudyConfig& c) { c.threads = 3; }), Verbs{});
  EXPECT_EQ(changed([](StudyConfig& c) { c.title = "other"; }), Verbs{});
  EXPECT_EQ(changed([](StudyConfig& c) { c.resamples = 3; }), Verbs{"eval"});
  EXPECT_EQ(changed([](StudyConfig& c) { c.device = "cuda"; }),
            (Verbs{"train retriever", "retrieve", "pretrain", "train ranker", "eval"}));
  EXPECT_EQ(changed([](StudyConfig& c) { c.candidates = 11; }),
            (Verbs{"retrieve", "train ranker", "eval"}));
  EXPECT_EQ(changed([](StudyConfig& c) { c.retriever.common.emplace_back("model.layers", "3"); }),
            after_retriever);
  EXPECT_EQ(changed([](StudyConfig& c) { c.datasets[0].import.emplace_back("k-core", "3"); }),
            (Verbs{"data import", "tokenizer train", "model init", "pretrain", "train retriever",
                   "retrieve", "train ranker", "eval"}));
  EXPECT_EQ(changed([](StudyConfig& c) { c.bases[0].tokenizer.common[0].second = "301"; }),
            (Verbs{"tokenizer train", "model init", "pretrain", "train ranker", "eval"}));
  EXPECT_EQ(changed([](StudyConfig& c) { c.bases[0].init.common[0].second = "small"; }),
            (Verbs{"model init", "pretrain", "train ranker", "eval"}));
  EXPECT_EQ(changed([](StudyConfig& c) { c.bases[0].pretrain.common[0].second = "6"; }),
            (Verbs{"pretrain", "train ranker", "eval"}));
  EXPECT_EQ(changed([](StudyConfig& c) { c.arms[0].prompt.common.emplace_back("separator", ";"); }),
            (Verbs{"train ranker", "eval"}));
  EXPECT_EQ(
      changed([](StudyConfig& c) { c.arms[0].options.common.emplace_back("exclude", "none"); }),
      Verbs{"eval"});
}

TEST_F(Study, AFoldersFingerprintIsOfItsFilesNamesAndBytes) {
  const fs::path folder = folder_ / "of";
  const auto make = [&](const std::string& name, const std::string& bytes) {
    fs::remove_all(folder);
    fs::create_directories(folder / "below");
    write_file(folder / name, bytes);
    write_file(folder / "b", std::string_view("2"));
    return path_fingerprint(folder);
  };
  const std::string first = make("a", "1");
  EXPECT_EQ(make("a", "1"), first);
  EXPECT_NE(make("a", "3"), first);
  EXPECT_NE(make("c", "1"), first);
  EXPECT_NE(make("a", "12"), first);
  make("a", "1");
  write_file(folder / "below" / "x", std::string_view("no part of it"));
  EXPECT_EQ(path_fingerprint(folder), first);
  fs::copy(folder, folder_ / "elsewhere");
  EXPECT_EQ(path_fingerprint(folder_ / "elsewhere"), first);  // a study can be moved
  EXPECT_NE(path_fingerprint(folder / "a"), path_fingerprint(folder / "b"));
  EXPECT_THROW(path_fingerprint(folder / "absent"), IoError);
}

// Above 64 MiB: the size, the first and the last MiB.
TEST_F(Study, ALargeFileIsKnownByItsEndsAndSize) {
  const fs::path path = folder_ / "large";
  constexpr int64_t kMib = int64_t{1} << 20;
  const auto with = [&](int64_t size, int64_t at) {
    write_file(path, std::string_view(""));
    fs::resize_file(path, static_cast<uintmax_t>(size));  // zeros that take no room
    if (at >= 0) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(at);
      file.put('x');
    }
    return path_fingerprint(path);
  };
  const int64_t large = 65 * kMib, small = 64 * kMib;
  const std::string zeros = with(large, -1);
  EXPECT_NE(with(large + 1, -1), zeros);
  EXPECT_NE(with(large, 0), zeros);
  EXPECT_NE(with(large, kMib - 1), zeros);
  EXPECT_NE(with(large, large - kMib), zeros);
  EXPECT_NE(with(large, large - 1), zeros);
  EXPECT_EQ(with(large, kMib), zeros);
  EXPECT_NE(with(small, kMib), with(small, -1));  // 64 MiB are read whole
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
  expect_error(replaced(kStudy, "new: {base: small,", "new: {base: small, retriever: {a: b},"),
               "arm 'new' has a base and a retriever of its own");
  expect_error(std::string(kStudy) + "published: {films: {subset: {other: {NDCG@10: .1}}}}",
               "published figures of 'other' on the subset of films");
  expect_error(replaced(kStudy, "train.lr: 0.2", "seed: 3"), "arm new sets seed");
  expect_error(replaced(kStudy, "{dropout: 0.5}", "{dropout: 0.5}, seed: 3"),
               "retriever sets seed");
  expect_error(replaced(kStudy, "init: {preset: tiny}", "init: {preset: tiny, seed: 3}"),
               "base small sets seed");
  expect_error("[1, 2]", "must be a map");
  expect_error("a: [", "study.yaml");
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

constexpr const char* kTowers = R"(
datasets: {films: {import: {format: csv, input: films.csv}}}
seeds: [1, 2]
hllm: {train.epochs: 1, item.layers: 2}
bases: {smollm: model, own: {tokenizer: {vocab-size: 300}, init: {preset: tiny}}}
arms:
  both: {towers: smollm, hllm: {}}
  scratch: {towers: smollm, hllm: {item.random: true, datasets: {films: {train.epochs: 3}}}}
  cached: {towers: both, hllm: {item.tuning: frozen}}
  small: {towers: own, hllm: {}}
  popular: {retriever: popularity}
baseline: scratch
)";

TEST_F(Study, ArmsWithTowers) {
  fs::create_directories(folder_ / "model");
  const StudyPlan plan = make_study_plan(read(kTowers), folder_ / "out");
  EXPECT_EQ(count(plan, "train hllm"), 8u);
  EXPECT_EQ(count(plan, "train retriever"), 0u);
  EXPECT_EQ(line(plan, *plan.cells[1].retriever),
            fmt::format("train hllm --dataset <data import> --base {} --set seed=1 --set "
                        "train.epochs=3 --set item.layers=2 --set item.random=true",
                        (folder_ / "model").string()));
  EXPECT_EQ(line(plan, *plan.cells[2].retriever),
            "train hllm --dataset <data import> --base <train hllm> --set seed=1 --set "
            "train.epochs=1 --set item.layers=2 --set item.tuning=frozen");
  EXPECT_EQ(plan.steps[*plan.cells[7].retriever].words[3].step, plan.cells[5].retriever);
  EXPECT_EQ(line(plan, *plan.cells[3].retriever).substr(0, 53),
            "train hllm --dataset <data import> --base <pretrain> ");
  EXPECT_EQ(line(plan, plan.cells[0].eval),
            "eval --dataset <data import> --retriever <train hllm> --resamples 2000");
  EXPECT_FALSE(plan.subset[0].has_value());

  expect_error(replaced(kTowers, "both: {towers: smollm, hllm: {}}", "both: {towers: smollm}"),
               "arm 'both' needs both hllm or star and towers, or neither");
  expect_error(replaced(kTowers, "both: {towers: smollm,", "both: {towers: cached,"),
               "towers of arm both: 'cached' is not there");
}

constexpr const char* kStar = R"(
datasets: {films: {import: {format: csv, input: films.csv}}}
seeds: [1, 2]
bases: {smollm: model, own: {tokenizer: {vocab-size: 300}, init: {preset: tiny}}}
arms:
  star: {towers: smollm, star: {semantic-weight: 0.25, text-keys: "title,genres"}}
  made: {towers: own, star: {}}
  hllm: {towers: smollm, hllm: {}}
  tuned: {towers: hllm, star: {datasets: {films: {length: 5}}}}
)";

TEST_F(Study, ArmsOfStar) {
  fs::create_directories(folder_ / "model");
  const StudyPlan plan = make_study_plan(read(kStar), folder_ / "out");
  // Nothing in it is random: one step for both seeds, unless the base is made anew for each.
  EXPECT_EQ(count(plan, "train star"), 1u + 2 + 2);
  EXPECT_EQ(plan.cells[0].retriever, plan.cells[4].retriever);
  EXPECT_EQ(plan.cells[0].eval, plan.cells[4].eval);
  EXPECT_EQ(line(plan, *plan.cells[0].retriever),
            fmt::format("train star --dataset <data import> --base {} --semantic-weight 0.25 "
                        "--text-keys title,genres",
                        (folder_ / "model").string()));
  EXPECT_EQ(line(plan, *plan.cells[1].retriever),
            "train star --dataset <data import> --base <pretrain>");
  EXPECT_EQ(line(plan, *plan.cells[3].retriever),
            "train star --dataset <data import> --base <train hllm> --length 5");
  EXPECT_EQ(line(plan, plan.cells[0].eval),
            "eval --dataset <data import> --retriever <train star> --resamples 2000");

  expect_error(replaced(kStar, "made: {towers: own, star: {}}", "made: {star: {}}"),
               "arm 'made' needs both hllm or star and towers, or neither");
  expect_error(replaced(kStar, "made: {towers: own, star: {}}", "made: {towers: star, star: {}}"),
               "towers of arm made: 'star' is not there");
  expect_error(replaced(kStar, "own, star: {}", "own, star: {}, hllm: {}"),
               "arm 'made' has both star and hllm");
  expect_error(replaced(kStar, "own, star: {}", "own, star: {seed: 3}"), "arm made sets seed");
}

}  // namespace
}  // namespace tandem
