// SPDX-License-Identifier: Apache-2.0
#include "study/fairness.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/sha256.h"
#include "data/dataset.h"
#include "eval/candidate_lists.h"
#include "eval/candidates.h"
#include "formats/run_folder.h"
#include "study/path_fingerprint.h"
#include "study/run_config.h"

namespace tandem {
namespace {

// Of (user, held-out item), in any order of the users.
std::string users_fingerprint(const Evaluation& evaluation) {
  std::vector<size_t> order(evaluation.user_ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {},
                    [&](size_t i) -> const std::string& { return evaluation.user_ids[i]; });
  Sha256 sha;
  for (const size_t i : order)
    sha.add(evaluation.user_ids[i]).add("\t").add(evaluation.target_ids[i]).add("\n");
  return sha.hex();
}

// What a run or an evaluation says it read.
class Facts {
 public:
  // verb: "trained" or "evaluated", for the DataError when there are none.
  Facts(Json facts, const fs::path& folder, const char* verb)
      : facts_(std::move(facts)), folder_(folder.string()), verb_(verb) {
    if (facts_.empty())
      throw DataError(
          "{} has no facts: {} by an older version; remove it and go on with --resume, which makes "
          "it anew",
          folder_, verb_);
  }

  bool has(const char* name) const { return facts_.contains(name); }
  std::string operator[](const char* name) const {
    return json_get<std::string>(facts_, name, folder_ + ", facts");
  }
  // DataError when a fact is not what the arm's other results say.
  void check(const StudyArm& arm, const char* name, const std::string& expected,
             const char* words) const {
    if ((*this)[name] != expected)
      throw DataError("{}: {} was {} with other {} ({}, expected {})", arm.name, folder_, verb_,
                      words, (*this)[name], expected);
  }

 private:
  Json facts_;
  std::string folder_;
  const char* verb_;
};

class Prover {
 public:
  Prover(const StudyConfig& config, const StudyPlan& plan, size_t dataset, int64_t seed)
      : config_(config),
        plan_(plan),
        dataset_(Dataset::open(plan.path_of(plan.dataset_paths[dataset]))),
        seed_(seed) {}

  CellProof prove(const StudyCell& cell, const CellResult& result) {
    const StudyArm& arm = config_.arms[cell.arm];
    CellProof proof{.arm = arm.name, .equal = {}, .recorded = {}};
    const auto equal = [&](std::string name, std::string value) {
      proof.equal.emplace_back(std::move(name), std::move(value));
    };
    const Protocol& protocol = result.all.protocol;
    check_dataset(arm, "its evaluation", protocol.fingerprint);
    equal("data set", protocol.fingerprint);
    equal("evaluated users", users_fingerprint(result.all));
    equal("split, seen items, ties", fmt::format("{}, {}, {}", protocol.split, protocol.seen_items,
                                                 tie_rule_name(protocol.tie_rule)));
    if (cell.retriever) {
      const fs::path run = plan_.steps[*cell.retriever].output_path();
      if (arm.retriever == StudyArm::Retriever::kStar)
        check_run(arm, run);  // nothing in it is random
      else
        equal("seed", seed_of(arm, run));
    }
    if (arm.is_retriever()) return proof;
    if (cell.base) equal("seed of the base", seed_of(arm, plan_.steps[*cell.base].output_path()));

    const CandidateSet valid = read_candidates(plan_.steps[*cell.valid].output_path());
    const CandidateSet test = read_candidates(plan_.steps[*cell.test].output_path());
    equal("candidates (valid)", lists_fingerprint(valid));
    equal("candidates (test)", lists_fingerprint(test));
    equal("users of the subset", users_fingerprint(result.subset));
    const std::string ranked = candidate_set_name(test, test.num_candidates);
    if (result.all.protocol.candidate_set != ranked)
      throw DataError("{}: it was evaluated on the candidates '{}', expected '{}'", arm.name,
                      result.all.protocol.candidate_set, ranked);
    check_subset(arm, test, result);
    prove_facts(arm, cell, valid, test, result.all, proof);
    return proof;
  }

 private:
  void check_dataset(const StudyArm& arm, const char* what, const std::string& fingerprint) const {
    if (fingerprint != dataset_.fingerprint())
      throw DataError("{}: {} is of data set {}, expected {}", arm.name, what, fingerprint,
                      dataset_.fingerprint());
  }

  // A run's run.json; its data set must be the study's.
  Json check_run(const StudyArm& arm, const fs::path& run) const {
    const fs::path path = run / "run.json";
    Json info = RunFolder::open(run).info();
    check_dataset(arm, path.c_str(),
                  json_get<std::string>(info, "dataset_fingerprint", path.string()));
    return info;
  }

  // The seed that a run had by its own words, which must be the study's; its data set is checked on
  // the way.
  std::string seed_of(const StudyArm& arm, const fs::path& run) const {
    const Json info = check_run(arm, run);
    const auto found = json_get<int64_t>(info, "seed", (run / "run.json").string());
    const std::string configured = setting(run, "seed");
    for (const std::string& seed : {std::to_string(found), configured}) {
      if (seed != std::to_string(seed_))
        throw DataError("{}: {} was trained with seed {} ({}), this study's is {}", arm.name,
                        run.string(), seed, seed == configured ? "config.yaml" : "run.json", seed_);
    }
    return std::to_string(found);
  }

  // A key of a run's resolved configuration; "" when it is not there.
  static std::string setting(const fs::path& run, const std::string& key) {
    const auto values = read_run_config(run);
    const auto found = values.find(key);
    return found == values.end() ? std::string() : found->second;
  }

  // The evaluation ranked the candidates of the file, and no others: the subset is exactly the
  // users whose held-out item the file holds.
  void check_subset(const StudyArm& arm, const CandidateSet& test, const CellResult& result) const {
    std::set<std::string_view> wanted;
    for (int64_t user = 0; user < test.num_users; ++user) {
      if (test.target[user] != kPaddingItem && test.holds_target(user))
        wanted.insert(dataset_.user_id(user));
    }
    int64_t found = 0;
    for (const std::string& user : result.subset.user_ids) found += wanted.contains(user);
    if (found != std::ssize(wanted) || found != result.subset.num_users())
      throw DataError(
          "{}: it was evaluated on {} users, {} of them among the {} whose item the candidate file "
          "holds",
          arm.name, result.subset.num_users(), found, wanted.size());
  }

  // What training and evaluation say they read, compared with each other and the candidate files.
  void prove_facts(const StudyArm& arm, const StudyCell& cell, const CandidateSet& valid,
                   const CandidateSet& test, const Evaluation& evaluation, CellProof& proof) const {
    const fs::path evaluated = plan_.steps[cell.eval].output_path();
    const Facts read(evaluation.facts, evaluated, "evaluated");
    read.check(arm, "candidates", lists_fingerprint(test), "test candidates");
    if (read.has("candidates_valid"))
      read.check(arm, "candidates_valid", lists_fingerprint(valid), "validation candidates");
    const std::string titles = read["titles"];
    const std::string tokenizer = read.has("tokenizer") ? read["tokenizer"] : "the model file's";
    if (cell.ranker) {
      const fs::path run = plan_.steps[*cell.ranker].output_path();
      proof.equal.emplace_back("seed of the ranker", seed_of(arm, run));
      const Json info = RunFolder::open(run).info();
      const Facts trained(json_get_or<Json>(info, "facts", Json::object(), run.string()), run,
                          "trained");
      trained.check(arm, "candidates_valid", lists_fingerprint(valid), "validation candidates");
      trained.check(arm, "titles", titles, "titles");
      trained.check(arm, "tokenizer", tokenizer, "tokenizer files");
      proof.equal.emplace_back("training candidates", trained["first_epoch"]);
    }
    proof.equal.emplace_back("title text", titles);
    if (arm.score != ArmScore::kLikelihood) {
      proof.equal.emplace_back("prompts (test)", read["prompts"]);
      proof.recorded.emplace_back("verbalizer", read["verbalizer"]);
    }
    const fs::path base =
        cell.base ? plan_.steps[*cell.base].output_path() : config_.base(arm.base).path;
    proof.recorded.emplace_back("precision", evaluation.protocol.precision);
    proof.recorded.emplace_back("title truncation", read["title_truncation"]);
    proof.recorded.emplace_back("tokenizer", tokenizer);
    proof.recorded.emplace_back("base", path_fingerprint(base));
  }

  const StudyConfig& config_;
  const StudyPlan& plan_;
  Dataset dataset_;
  int64_t seed_;
};

// A column of an evaluation of two stages.
Evaluation read_system(const fs::path& folder, const std::string& arm) {
  if (fs::exists(folder)) return read_evaluation(folder);
  std::vector<std::string> names;
  if (fs::is_directory(folder.parent_path())) {
    for (const auto& entry : fs::directory_iterator(folder.parent_path()))
      names.push_back(entry.path().filename().string());
  }
  throw DataError("{}: {} is not there; there are {}", arm, folder.string(),
                  fmt::join(names, ", "));
}

std::string shortened(const std::string& value) {
  const bool hash =
      value.size() == 64 && value.find_first_not_of("0123456789abcdef") == std::string::npos;
  return hash ? value.substr(0, 16) : value;
}

// Values of one fact and who has them, in the order of the arms.
using Holders = std::vector<std::pair<std::string, std::vector<std::string>>>;

std::vector<std::pair<std::string, Holders>> group(
    const FairnessTable& table, const std::vector<CellProof::Fact> CellProof::*list) {
  std::vector<std::pair<std::string, Holders>> facts;
  for (const CellProof& arm : table.arms) {
    for (const auto& [name, value] : arm.*list) {
      auto fact = std::ranges::find(facts, name, [](const auto& pair) { return pair.first; });
      if (fact == facts.end()) fact = facts.insert(facts.end(), {name, {}});
      auto holder =
          std::ranges::find(fact->second, value, [](const auto& pair) { return pair.first; });
      if (holder == fact->second.end()) holder = fact->second.insert(holder, {value, {}});
      holder->second.push_back(arm.arm);
    }
  }
  return facts;
}

}  // namespace

CellResult read_cell(const StudyConfig& config, const StudyPlan& plan, const StudyCell& cell) {
  const StudyArm& arm = config.arms[cell.arm];
  const fs::path folder = plan.steps[cell.eval].output_path();
  if (arm.is_retriever()) return {.all = read_evaluation(folder), .subset = {}};
  const char* system = arm.score == ArmScore::kLetters      ? "letters"
                       : arm.score == ArmScore::kLikelihood ? "likelihood"
                                                            : "fused";
  return {.all = read_system(folder / "all" / system, arm.name),
          .subset = read_system(folder / "subset" / system, arm.name),
          .has_subset = true};
}

FairnessTable prove_fairness(const StudyConfig& config, const StudyPlan& plan, size_t dataset,
                             size_t seed, const std::vector<CellResult>& results) {
  FairnessTable table{
      .dataset = config.datasets[dataset].name, .seed = config.seeds[seed], .arms = {}};
  Prover prover(config, plan, dataset, config.seeds[seed]);
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    const StudyCell& cell = plan.cells[i];
    if (cell.dataset == dataset && cell.seed == seed)
      table.arms.push_back(prover.prove(cell, results[i]));
  }
  return table;
}

std::vector<std::string> differences(const FairnessTable& table) {
  std::vector<std::string> lines;
  for (const auto& [name, holders] : group(table, &CellProof::equal)) {
    if (holders.size() < 2) continue;
    std::string line = fmt::format("{}, seed {}: {} differs:", table.dataset, table.seed, name);
    for (const auto& [value, arms] : holders)
      line += fmt::format(" {} in {};", shortened(value), fmt::join(arms, ", "));
    line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string fairness_text(const FairnessTable& table) {
  std::string text = fmt::format("{}, seed {}\n", table.dataset, table.seed);
  for (const auto& [name, holders] : group(table, &CellProof::equal)) {
    const auto& arms = holders.front().second;
    text += fmt::format("  {:<24} {:<18} {}\n", name, shortened(holders.front().first),
                        holders.size() > 1 ? "DIFFERS"
                        : arms.size() == 1 ? fmt::format("{} alone has it", arms.front())
                        : arms.size() == table.arms.size()
                            ? fmt::format("equal in all {} arms", arms.size())
                            : fmt::format("equal in {}", fmt::join(arms, ", ")));
  }
  for (const auto& [name, holders] : group(table, &CellProof::recorded)) {
    for (const auto& [value, arms] : holders)
      text += fmt::format("  {:<24} {:<18} of {} (may differ)\n", name, shortened(value),
                          fmt::join(arms, ", "));
  }
  return text;
}

}  // namespace tandem
