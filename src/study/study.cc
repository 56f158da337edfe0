// SPDX-License-Identifier: Apache-2.0
#include "study/study.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/error.h"
#include "core/version.h"
#include "data/dataset.h"
#include "eval/candidates.h"
#include "offline/samples.h"
#include "study/run_config.h"

namespace tandem {
namespace {

using Rows = std::unordered_map<std::string_view, size_t>;

// The evaluation's ranks in the order of the reference's users.
std::vector<int32_t> aligned_ranks(const Evaluation& evaluation, const Rows& rows,
                                   const std::string& arm) {
  std::vector<int32_t> ranks(rows.size(), -1);
  for (size_t i = 0; i < evaluation.user_ids.size(); ++i) {
    const auto row = rows.find(evaluation.user_ids[i]);
    if (row == rows.end())
      throw DataError("{}: user '{}' was evaluated here and not in the first arm", arm,
                      evaluation.user_ids[i]);
    ranks[row->second] = evaluation.ranks[i];
  }
  if (std::ranges::find(ranks, -1) != ranks.end())
    throw DataError("{}: {} users were evaluated, {} in the first arm", arm,
                    evaluation.user_ids.size(), rows.size());
  return ranks;
}

// Marks of the users whose held-out item is among a seed's candidates.
std::vector<uint8_t> subset_marks(const fs::path& file, const Dataset& dataset, const Rows& rows) {
  const CandidateSet candidates = read_candidates(file);
  check_same_data(candidates, dataset);
  std::vector<uint8_t> marks(rows.size(), 0);
  for (int64_t user = 0; user < candidates.num_users; ++user) {
    if (candidates.target[user] == kPaddingItem || !candidates.holds_target(user)) continue;
    const auto row = rows.find(dataset.user_id(user));
    if (row != rows.end()) marks[row->second] = 1;
  }
  return marks;
}

std::vector<std::string> differing_settings(const StudyConfig& config, const StudyPlan& plan,
                                            size_t dataset) {
  std::map<std::string, std::map<std::string, std::vector<std::string>>>
      values;  // key, value, arms
  for (const StudyCell& cell : plan.cells) {
    if (cell.dataset != dataset || cell.seed != 0 || !cell.ranker) continue;
    for (const auto& [key, value] : read_run_config(plan.steps[*cell.ranker].output_path()))
      values[key][value].push_back(config.arms[cell.arm].name);
  }
  std::vector<std::string> lines;
  for (const auto& [key, holders] : values) {
    if (holders.size() < 2) continue;
    std::vector<std::string> parts;
    for (const auto& [value, arms] : holders)
      parts.push_back(fmt::format("{} in {}", value, fmt::join(arms, ", ")));
    lines.push_back(fmt::format("{}: {}", key, fmt::join(parts, "; ")));
  }
  return lines;
}

StudyTable make_table(const StudyConfig& config, const StudyPlan& plan, size_t d,
                      const std::vector<CellResult>& results, ThreadPool& pool) {
  const Dataset dataset = Dataset::open(plan.path_of(plan.dataset_paths[d]));
  StudyTable table{.dataset = config.datasets[d].name,
                   .fingerprint = dataset.fingerprint(),
                   .seeds = config.seeds,
                   .ranks = {},
                   .statistics = {},
                   .fairness = {},
                   .differing_settings = differing_settings(config, plan, d)};
  std::vector<std::string> reasons;
  for (size_t s = 0; s < config.seeds.size(); ++s) {
    table.fairness.push_back(prove_fairness(config, plan, d, s, results));
    for (std::string& reason : differences(table.fairness.back()))
      reasons.push_back(std::move(reason));
  }
  if (!reasons.empty())
    throw DataError("the arms must not be compared; they did not read the same\n  {}",
                    fmt::join(reasons, "\n  "));

  StudyRanks& ranks = table.ranks;
  ranks.num_seeds = std::ssize(config.seeds);
  ranks.ranks.resize(config.arms.size());
  for (const StudyArm& arm : config.arms) ranks.arms.push_back(arm.name);
  Rows rows;
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    const StudyCell& cell = plan.cells[i];
    if (cell.dataset != d) continue;
    const Evaluation& all = results[i].all;
    if (rows.empty()) {
      for (size_t u = 0; u < all.user_ids.size(); ++u) rows.emplace(all.user_ids[u], u);
    }
    ranks.ranks[cell.arm].push_back(aligned_ranks(all, rows, config.arms[cell.arm].name));
  }
  ranks.num_users = std::ssize(rows);
  for (size_t s = 0; s < config.seeds.size(); ++s) {
    if (const auto step = plan.subset[d * config.seeds.size() + s])
      ranks.subset.push_back(subset_marks(plan.steps[*step].output_path(), dataset, rows));
  }
  for (const StudyArm& arm : config.arms) ranks.in_subset.push_back(arm.ranks_candidates());
  std::vector<std::pair<size_t, size_t>> compare;
  const auto place = [&](const std::string& arm) {
    return static_cast<size_t>(std::ranges::find(ranks.arms, arm) - ranks.arms.begin());
  };
  for (const auto& [arm, baseline] : config.compare)
    compare.emplace_back(place(arm), place(baseline));
  table.statistics = study_statistics(
      ranks, compare,
      {.resamples = config.resamples, .seed = static_cast<uint64_t>(config.resample_seed)}, pool);
  return table;
}

Json estimates_json(const std::vector<StudyEstimate>& estimates,
                    const std::map<std::string, double>* published) {
  Json json = Json::object();
  for (size_t m = 0; m < estimates.size(); ++m) {
    const StudyEstimate& one = estimates[m];
    const std::string name = study_metrics()[m].name();
    json[name] = {{"mean", one.mean},
                  {"interval", {one.interval.low, one.interval.high}},
                  {"sd_over_seeds", one.sd},
                  {"per_seed", one.per_seed}};
    if (published != nullptr && published->contains(name))
      json[name]["published"] = published->at(name);
  }
  return json;
}

Json differences_json(const std::vector<StudyDifference>& differences) {
  Json json = Json::object();
  for (size_t m = 0; m < differences.size(); ++m) {
    const StudyDifference& one = differences[m];
    json[study_metrics()[m].name()] = {{"difference", one.difference},
                                       {"interval", {one.interval.low, one.interval.high}},
                                       {"p_value", one.p_value}};
  }
  return json;
}

Json fairness_json(const FairnessTable& table) {
  Json arms = Json::object();
  for (const CellProof& proof : table.arms) {
    Json equal = Json::object(), recorded = Json::object();
    for (const auto& [name, value] : proof.equal) equal[name] = value;
    for (const auto& [name, value] : proof.recorded) recorded[name] = value;
    arms[proof.arm] = {{"must_be_equal", equal}, {"may_differ", recorded}};
  }
  return {{"seed", table.seed}, {"arms", arms}};
}

}  // namespace

std::vector<size_t> StudyTable::subset_arms() const {
  std::vector<size_t> arms;
  for (size_t a = 0; a < ranks.arms.size(); ++a) {
    if (ranks.stands_in_subset(a)) arms.push_back(a);
  }
  return arms;
}

std::string StudyTable::subset_note() const {
  std::vector<std::string> others;
  for (size_t a = 0; a < ranks.arms.size(); ++a) {
    if (!ranks.subset.empty() && !ranks.stands_in_subset(a)) others.push_back(ranks.arms[a]);
  }
  if (others.empty()) return "";
  return fmt::format(
      "Among all users only: {}; they do not rank these candidates, and users who were chosen by "
      "what another retriever found would favour that retriever.",
      fmt::join(others, ", "));
}

StudyResult make_study_result(const StudyConfig& config, const StudyPlan& plan, ThreadPool& pool) {
  std::vector<CellResult> results;
  for (const StudyCell& cell : plan.cells) results.push_back(read_cell(config, plan, cell));
  StudyResult result{.config = config, .tables = {}, .recipe = {}};
  for (size_t d = 0; d < config.datasets.size(); ++d)
    result.tables.push_back(make_table(config, plan, d, results, pool));
  size_t most_tied = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].all.num_tied() > results[most_tied].all.num_tied()) most_tied = i;
  }
  const Evaluation& tied = results[most_tied].all;
  result.recipe = fmt::format(
      "{} split, all items but those of the input {} ranked, ties {} (most tied targets: {} of {}, "
      "{}); seeds {}; mean over seeds, 95 % bootstrap interval over users ({} resamples, seed {}), "
      "each user with all seeds; sd over seeds beside it; differences paired by user and averaged "
      "over seeds, p by sign flips; tandem {} ({})",
      tied.protocol.split, tied.protocol.seen_items, tie_rule_name(tied.protocol.tie_rule),
      tied.num_tied(), tied.num_users(), config.arms[plan.cells[most_tied].arm].name,
      fmt::join(config.seeds, ", "), config.resamples, config.resample_seed, program_version(),
      program_commit());
  return result;
}

Json StudyResult::to_json() const {
  Json datasets = Json::array();
  for (const StudyTable& table : tables) {
    const StudyStatistics& statistics = table.statistics;
    const auto figures = [&](const char* users, const std::string& arm) {
      return find_published(config.published, table.dataset, users, arm);
    };
    Json arms = Json::array(), comparisons = Json::array(), fairness = Json::array();
    for (size_t a = 0; a < table.ranks.arms.size(); ++a) {
      const std::string& name = table.ranks.arms[a];
      Json arm = {{"arm", name}, {"all", estimates_json(statistics.all[a], figures("all", name))}};
      if (table.ranks.stands_in_subset(a))
        arm["subset"] = estimates_json(statistics.subset[a], figures("subset", name));
      arms.push_back(std::move(arm));
    }
    for (const StudyComparison& one : statistics.comparisons) {
      Json comparison = {{"arm", table.ranks.arms[one.arm]},
                         {"baseline", table.ranks.arms[one.baseline]},
                         {"all", differences_json(one.all)}};
      if (!one.subset.empty()) comparison["subset"] = differences_json(one.subset);
      Json per_seed = Json::array();
      for (const double value : one.improvement_per_seed)
        per_seed.push_back(std::isnan(value) ? Json(nullptr) : Json(value));
      comparison["average_relative_improvement_percent"] = {
          {"value", one.improvement ? Json(*one.improvement) : Json(nullptr)},
          {"interval", {one.improvement_interval.low, one.improvement_interval.high}},
          {"per_seed", per_seed}};
      comparisons.push_back(std::move(comparison));
    }
    for (const FairnessTable& seed : table.fairness) fairness.push_back(fairness_json(seed));
    Json subset_users = Json::array();
    for (const auto& marks : table.ranks.subset)
      subset_users.push_back(std::ranges::count(marks, uint8_t{1}));
    datasets.push_back({{"dataset", table.dataset},
                        {"fingerprint", table.fingerprint},
                        {"users", table.ranks.num_users},
                        {"subset_users_per_seed", subset_users},
                        {"subset_note", table.subset_note()},
                        {"arms", arms},
                        {"comparisons", comparisons},
                        {"differing_ranker_settings", table.differing_settings},
                        {"fairness", fairness}});
  }
  return {{"format", "tandem-study-1"},
          {"title", config.title},
          {"seeds", config.seeds},
          {"recipe", recipe},
          {"published_source", config.published_source},
          {"datasets", datasets}};
}

}  // namespace tandem
