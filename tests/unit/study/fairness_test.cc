// SPDX-License-Identifier: Apache-2.0
#include "study/fairness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#include "eval/candidate_lists.h"
#include "eval/candidates.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSeed = 42, kCandidates = 4;

// Three arms that read the same: "a" and "b" each a ranker trained on a base, with steps of their
// own, and "alone", a's retriever. A test changes one fact of b and asks what is found.
class ProveFairness : public ::testing::Test {
 protected:
  // Of one arm.
  struct Side {
    fs::path retriever, valid, test, base, ranker;
    Json trained, read;  // facts of the ranker's run and of the evaluation
    CellResult result;
  };

  ProveFairness() : dataset_(test::tiny_dataset(folder_)) {
    const fs::path base = folder_ / "base";
    fs::create_directories(base);
    write_file(base / "model.safetensors", std::string_view("base"));
    config_.seeds = {kSeed};
    config_.datasets = {{.name = "films", .path = dataset_.folder(), .import = {}}};
    plan_.dataset_paths = {
        StepWord{.text = dataset_.folder().string(), .step = {}, .is_path = true}};
    for (const char* name : {"a", "b"}) add_arm(name, base);
    StudyArm alone;
    alone.name = "alone";
    config_.arms.push_back(alone);
    StudyCell cell = plan_.cells[0];
    plan_.cells.push_back({.arm = 2, .retriever = cell.retriever, .eval = cell.eval});
    results_ = {side_a_.result, side_b_.result, {.all = side_a_.result.all, .subset = {}}};
  }

  size_t add_step(const fs::path& folder) {
    fs::create_directories(folder);
    plan_.steps.push_back({.name = folder.filename().string(), .folder = folder});
    return plan_.steps.size() - 1;
  }

  void write_run(const fs::path& run, int64_t seed, const Json& facts = {}) {
    Json info = {{"seed", seed}, {"dataset_fingerprint", dataset_.fingerprint()}};
    if (!facts.is_null()) info["facts"] = facts;
    write_json(run / "run.json", info);
    write_file(run / "config.yaml", fmt::format("seed: {}\n", seed));
  }
  // The ranker's run and the evaluation as the side's facts are now.
  void write_facts(Side& side) {
    write_run(side.ranker, kSeed, side.trained);
    side.result.all.facts = side.read;
    results_[&side == &side_a_ ? 0 : 1].all.facts = side.read;
  }

  // Of every second user's list the held-out item is the second candidate.
  CandidateSet candidates(Split split) {
    CandidateSet set;
    set.num_users = dataset_.num_users();
    set.num_candidates = kCandidates;
    set.num_items = dataset_.num_items();
    set.split = split == Split::kValid ? "valid" : "test";
    set.seen_items = "window";
    set.fingerprint = dataset_.fingerprint();
    set.retriever = "lrurec";
    for (int64_t user = 0; user < set.num_users; ++user) {
      const int32_t target = target_item(dataset_, user, split).value_or(kPaddingItem);
      int32_t next = 1;
      for (int64_t k = 0; k < kCandidates; ++k) {
        const bool here = user % 2 == 0 && k == 1 && target != kPaddingItem;
        while (next == target) ++next;
        set.items.push_back(here ? target : next++);
        set.scores.push_back(static_cast<float>(-k));
      }
      set.target.push_back(target);
      set.rank.push_back(target == kPaddingItem ? 0 : user % 2 == 0 ? 2 : 9);
    }
    return set;
  }

  Evaluation evaluation(bool subset, const CandidateSet& test) {
    Evaluation evaluation;
    evaluation.protocol.fingerprint = dataset_.fingerprint();
    evaluation.protocol.candidate_set = candidate_set_name(test, kCandidates);
    for (int64_t user = 0; user < dataset_.num_users(); ++user) {
      if (test.target[user] == kPaddingItem) continue;
      if (subset && !test.holds_target(user)) continue;
      evaluation.user_ids.emplace_back(dataset_.user_id(user));
      evaluation.target_ids.emplace_back(dataset_.item_id(test.target[user]));
      evaluation.ranks.push_back(1);
      evaluation.tied.push_back(0);
    }
    return evaluation;
  }

  void add_arm(const std::string& name, const fs::path& base) {
    Side& side = name == "a" ? side_a_ : side_b_;
    const fs::path root = folder_ / name.c_str();
    StudyArm arm;
    arm.name = name;
    arm.base = name;
    arm.trains_ranker = true;
    config_.arms.push_back(arm);
    StudyCell cell{.arm = config_.arms.size() - 1};
    cell.retriever = add_step(root / "retriever");
    cell.valid = add_step(root / "valid");
    cell.test = add_step(root / "test");
    cell.base = add_step(root / "base");
    cell.ranker = add_step(root / "ranker");
    cell.eval = add_step(root / "eval");
    plan_.cells.push_back(cell);
    const auto path = [&](const std::optional<size_t>& step) {
      return plan_.steps[*step].output_path();
    };
    side.retriever = path(cell.retriever);
    side.valid = path(cell.valid);
    side.test = path(cell.test);
    side.base = path(cell.base);
    side.ranker = path(cell.ranker);
    fs::copy(base, side.base);
    for (const fs::path& run : {side.retriever, side.base, side.ranker}) {
      fs::create_directories(run);
      write_run(run, kSeed);
    }
    write_candidates(side.valid, candidates(Split::kValid));
    const CandidateSet test = candidates(Split::kTest);
    write_candidates(side.test, test);
    side.result = {
        .all = evaluation(false, test), .subset = evaluation(true, test), .has_subset = true};
    side.trained = {{"first_epoch", "draws"},
                    {"candidates_valid", lists_fingerprint(candidates(Split::kValid))},
                    {"titles", "all titles"},
                    {"tokenizer", "its files"}};
    side.read = {{"candidates", lists_fingerprint(test)},
                 {"titles", "all titles"},
                 {"title_truncation", "chars:14"},
                 {"tokenizer", "its files"},
                 {"prompts", "all prompts"},
                 {"verbalizer", "exact"}};
    side.result.all.facts = side.read;
    write_run(side.ranker, kSeed, side.trained);
  }

  FairnessTable prove() { return prove_fairness(config_, plan_, 0, 0, results_); }

  // The facts that differ; each line must say who has which value: a and alone one, b another.
  std::vector<std::string> differing() {
    std::vector<std::string> facts;
    for (const std::string& line : differences(prove())) {
      const size_t end = line.find(" differs:");
      const std::string head = "films, seed 42: ";
      EXPECT_TRUE(line.starts_with(head)) << line;
      EXPECT_TRUE(line.ends_with(" in b")) << line;
      EXPECT_TRUE(line.find(" in a;") != std::string::npos ||
                  line.find(" in a, alone;") != std::string::npos)
          << line;
      facts.push_back(line.substr(head.size(), end - head.size()));
    }
    return facts;
  }
  std::string error() {
    try {
      prove();
    } catch (const DataError& error) {
      return error.what();
    }
    ADD_FAILURE() << "no DataError";
    return "";
  }
  void replace(const fs::path& file, const std::string& from, const std::string& to) {
    std::string text = read_file(file);
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << file;
    write_file(file, text.replace(at, from.size(), to));
  }
  using Facts = std::vector<std::string>;

  test::TemporaryFolder folder_;
  Dataset dataset_;
  StudyConfig config_;
  StudyPlan plan_;
  Side side_a_, side_b_;
  std::vector<CellResult> results_;
};

TEST_F(ProveFairness, ArmsThatReadTheSameAreEqualInEveryFact) {
  const FairnessTable table = prove();
  EXPECT_TRUE(differences(table).empty());
  ASSERT_EQ(table.arms.size(), 3U);
  Facts names;
  for (const auto& [name, value] : table.arms[1].equal) names.push_back(name);
  EXPECT_EQ(names, (Facts{"data set", "evaluated users", "split, seen items, ties", "seed",
                          "seed of the base", "candidates (valid)", "candidates (test)",
                          "users of the subset", "seed of the ranker", "training candidates",
                          "title text", "prompts (test)"}));
  EXPECT_EQ(table.arms[1].equal[3].second, "42");
  EXPECT_EQ(table.arms[1].equal[2].second, "test, window, strict");
  const std::string text = fairness_text(table);
  EXPECT_THAT(text, HasSubstr("equal in all 3 arms"));
  EXPECT_THAT(text, HasSubstr("equal in a, b"));
  EXPECT_THAT(text, HasSubstr("of a, b (may differ)"));
}

TEST_F(ProveFairness, ADataSetOfOnesOwnIsFoundWhereverItStands) {
  const std::string good = dataset_.fingerprint();
  results_[1].all.protocol.fingerprint = "other";
  EXPECT_THAT(error(), HasSubstr("b: its evaluation is of data set other, expected " + good));
  results_[1].all.protocol.fingerprint = good;
  for (const fs::path& run : {side_b_.retriever, side_b_.base, side_b_.ranker}) {
    replace(run / "run.json", good, "other");
    EXPECT_THAT(error(), HasSubstr("b: " + (run / "run.json").string() + " is of data set other"));
    replace(run / "run.json", "other", good);
  }
}

TEST_F(ProveFairness, StarHasNoSeedButADataSet) {
  config_.arms[2].retriever = StudyArm::Retriever::kStar;
  StudyCell& cell = plan_.cells[2];
  cell.retriever = add_step(folder_ / "star");
  const fs::path run = plan_.steps[*cell.retriever].output_path();
  fs::create_directories(run);
  write_json(run / "run.json", {{"dataset_fingerprint", dataset_.fingerprint()}});
  const FairnessTable table = prove();
  EXPECT_TRUE(differences(table).empty());
  ASSERT_EQ(table.arms[2].equal.size(), 3U);
  EXPECT_EQ(table.arms[2].equal[2].first, "split, seen items, ties");
  write_json(run / "run.json", {{"dataset_fingerprint", "other"}});
  EXPECT_THAT(error(),
              HasSubstr("alone: " + (run / "run.json").string() + " is of data set other"));
}

TEST_F(ProveFairness, UsersAndTheirHeldOutItems) {
  const CellResult good = results_[1];
  results_[1].all.target_ids[0] = "i99";
  EXPECT_EQ(differing(), Facts{"evaluated users"});
  results_[1] = good;
  results_[1].all.user_ids.back() = "stranger";
  EXPECT_EQ(differing(), Facts{"evaluated users"});
  results_[1] = good;  // their order is no fact
  std::ranges::reverse(results_[1].all.user_ids);
  std::ranges::reverse(results_[1].all.target_ids);
  EXPECT_TRUE(differing().empty());
  results_[1] = good;
  results_[1].subset.target_ids[0] = "i99";
  EXPECT_EQ(differing(), Facts{"users of the subset"});
  results_[1] = good;
  results_[1].subset.user_ids[0] = "stranger";
  const auto found = std::ssize(good.subset.user_ids);
  EXPECT_THAT(error(), HasSubstr(fmt::format("b: it was evaluated on {} users, {} of them among "
                                             "the {} whose item",
                                             found, found - 1, found)));
}

TEST_F(ProveFairness, RulesOfTheRanking) {
  Protocol& protocol = results_[1].all.protocol;
  protocol.split = "valid";
  EXPECT_EQ(differing(), Facts{"split, seen items, ties"});
  protocol.split = "test";
  protocol.seen_items = "history";
  EXPECT_EQ(differing(), Facts{"split, seen items, ties"});
  protocol.seen_items = "window";
  protocol.tie_rule = TieRule::kWorst;
  EXPECT_EQ(differing(), Facts{"split, seen items, ties"});
  protocol.tie_rule = TieRule::kStrict;
  protocol.precision = "bfloat16";  // is told, and may differ
  EXPECT_TRUE(differing().empty());
  EXPECT_THAT(fairness_text(prove()), HasSubstr("bfloat16"));
}

TEST_F(ProveFairness, ASeedThatIsNotTheStudys) {
  for (const fs::path& run : {side_b_.retriever, side_b_.base, side_b_.ranker}) {
    replace(run / "run.json", "42", "43");
    EXPECT_THAT(error(), HasSubstr("b: " + run.string() +
                                   " was trained with seed 43 (run.json), "
                                   "this study's is 42"));
    replace(run / "run.json", "43", "42");
    replace(run / "config.yaml", "42", "43");
    EXPECT_THAT(error(), HasSubstr("b: " + run.string() +
                                   " was trained with seed 43 (config.yaml), "
                                   "this study's is 42"));
    replace(run / "config.yaml", "43", "42");
  }
}

TEST_F(ProveFairness, Candidates) {
  CandidateSet valid = candidates(Split::kValid);
  std::swap(valid.items[0], valid.items[1]);
  write_candidates(side_b_.valid, valid);
  EXPECT_THAT(error(), HasSubstr("b: " + side_b_.ranker.string() +
                                 " was trained with other validation candidates"));
  side_b_.trained["candidates_valid"] = lists_fingerprint(valid);
  write_facts(side_b_);
  EXPECT_EQ(differing(), Facts{"candidates (valid)"});
  side_b_.trained["candidates_valid"] = side_a_.trained["candidates_valid"];
  write_facts(side_b_);
  write_candidates(side_b_.valid, candidates(Split::kValid));

  side_b_.read["candidates_valid"] = "those of fusion";
  write_facts(side_b_);
  EXPECT_THAT(error(), HasSubstr(" was evaluated with other validation candidates"));
  side_b_.read["candidates_valid"] = lists_fingerprint(candidates(Split::kValid));
  write_facts(side_b_);
  EXPECT_TRUE(differing().empty());

  CandidateSet test = candidates(Split::kTest);
  std::swap(test.items[2], test.items[3]);
  write_candidates(side_b_.test, test);
  EXPECT_THAT(error(), HasSubstr("b: it was evaluated on the candidates 'lrurec top 4, lists"));
  results_[1].all.protocol.candidate_set = candidate_set_name(test, kCandidates);
  EXPECT_THAT(error(), HasSubstr(" was evaluated with other test candidates"));
  side_b_.read["candidates"] = lists_fingerprint(test);
  write_facts(side_b_);
  EXPECT_EQ(differing(), Facts{"candidates (test)"});
}

TEST_F(ProveFairness, WhatTrainingAndEvaluationRead) {
  side_b_.trained["first_epoch"] = "other draws";
  write_facts(side_b_);
  EXPECT_EQ(differing(), Facts{"training candidates"});
  side_b_.trained["first_epoch"] = "draws";
  side_b_.read["prompts"] = "other prompts";
  write_facts(side_b_);
  EXPECT_EQ(differing(), Facts{"prompts (test)"});
  config_.arms[1].score = ArmScore::kLikelihood;  // which shows no candidates by letters
  EXPECT_TRUE(differing().empty());
  side_b_.read["titles"] = "other titles";
  write_facts(side_b_);
  EXPECT_THAT(error(),
              HasSubstr("b: " + side_b_.ranker.string() + " was trained with other titles"));
  side_b_.trained["titles"] = "other titles";
  write_facts(side_b_);
  EXPECT_EQ(differing(), Facts{"title text"});
}

TEST_F(ProveFairness, TokenizerBaseAndVerbalizerMayDifferAndAreTold) {
  side_b_.read["verbalizer"] = "compat";
  side_b_.read["tokenizer"] = side_b_.trained["tokenizer"] = "files of another";
  write_facts(side_b_);
  write_file(side_b_.base / "model.safetensors", std::string_view("another base"));
  EXPECT_TRUE(differing().empty());
  const std::string text = fairness_text(prove());
  EXPECT_THAT(text, HasSubstr("compat"));
  EXPECT_THAT(text, HasSubstr("files of another"));
  EXPECT_THAT(text, HasSubstr("of b (may differ)"));
  side_b_.trained["tokenizer"] = "files of a third";
  write_facts(side_b_);
  EXPECT_THAT(error(), HasSubstr(" was trained with other tokenizer files"));
}

TEST_F(ProveFairness, WithoutARankerTheEvaluationTellsAll) {
  for (const size_t arm : {0U, 1U}) {
    config_.arms[arm].trains_ranker = false;
    plan_.cells[arm].ranker.reset();
  }
  EXPECT_TRUE(differing().empty());
  side_b_.read["prompts"] = "other prompts";
  write_facts(side_b_);
  EXPECT_EQ(differing(), Facts{"prompts (test)"});
}

TEST_F(ProveFairness, ResultsOfAnOlderVersionHaveNoFacts) {
  side_b_.trained = nullptr;
  write_facts(side_b_);
  EXPECT_THAT(error(), HasSubstr(side_b_.ranker.string() +
                                 " has no facts: trained by an older version; remove it"));
  side_b_.trained = side_a_.trained;
  side_b_.read = Json::object();
  write_facts(side_b_);
  EXPECT_THAT(error(), HasSubstr(" has no facts: evaluated by an older version; remove it"));
}

// Values that are hashes are shortened; every value and everybody who has it is named.
TEST(Differences, NameTheValuesAndWhoHasThem) {
  FairnessTable table{.dataset = "films", .seed = 42, .arms = {}};
  const std::string one(64, 'a'), two(64, 'b');
  table.arms.push_back({"a", {{"data set", "x"}, {"title text", one}}, {{"tokenizer", "p"}}});
  table.arms.push_back({"b", {{"data set", "x"}, {"title text", two}}, {{"tokenizer", "q"}}});
  table.arms.push_back({"c", {{"data set", "y"}}, {}});  // a retriever alone has no titles
  table.arms.push_back({"d", {{"data set", "x"}, {"title text", one}}, {}});
  EXPECT_EQ(differences(table),
            (std::vector<std::string>{
                "films, seed 42: data set differs: x in a, b, d; y in c",
                "films, seed 42: title text differs: aaaaaaaaaaaaaaaa in a, d; bbbbbbbbbbbbbbbb in "
                "b"}));
  EXPECT_THAT(fairness_text(table), HasSubstr("DIFFERS"));
}

}  // namespace
}  // namespace tandem
