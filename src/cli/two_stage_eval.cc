// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "cli/two_stage_options.h"
#include "core/config.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "eval/compare.h"
#include "rank/full_ranking.h"
#include "rank/two_stage.h"

namespace tandem {
namespace {

SecondStage scored(const TwoStageTask& task, const TwoStageModels& models, const Dataset& dataset,
                   Split split, ThreadPool& pool) {
  SecondStage stage =
      open_second_stage(task.retriever, dataset, split, models.num_candidates, pool);
  for (CandidateScores& scores : models.scores(dataset, stage.samples, pool))
    stage.scorers.push_back(std::move(scores));
  return stage;
}

struct Table {
  std::string title, folder;
  std::vector<Evaluation> systems;      // the retriever first
  std::vector<Comparison> comparisons;  // of the others with it
};

constexpr const char* kMetric = "NDCG@10";

void print_table(const Table& table) {
  fmt::print("{} ({} users)\n{}", table.title, table.systems[0].num_users(),
             metric_table(table.systems));
  for (const Comparison& comparison : table.comparisons) {
    for (const MetricComparison& metric : comparison.metrics) {
      if (metric.name != kMetric) continue;
      fmt::print("{} of {} - {}: {:+.4f} [{:+.4f}, {:+.4f}], p = {:.4f}{}\n", kMetric,
                 comparison.system_b, comparison.system_a, metric.difference, metric.interval.low,
                 metric.interval.high, metric.p_value,
                 metric.winner() == 0 ? ", no clear difference" : "");
    }
  }
  fmt::print("\n");
}

Json table_json(const Table& table) {
  Json systems = Json::array();
  for (const Evaluation& system : table.systems) {
    Json metrics = Json::object();
    for (const MetricResult& metric : system.metrics)
      metrics[metric.name] = {
          {"value", metric.value}, {"low", metric.interval.low}, {"high", metric.interval.high}};
    systems.push_back({{"system", system.system}, {"metrics", metrics}});
  }
  Json differences = Json::array();
  for (const Comparison& comparison : table.comparisons) {
    for (const MetricComparison& metric : comparison.metrics)
      differences.push_back({{"system", comparison.system_b},
                             {"metric", metric.name},
                             {"difference", metric.difference},
                             {"low", metric.interval.low},
                             {"high", metric.interval.high},
                             {"p_value", metric.p_value}});
  }
  return {{"users", table.systems[0].num_users()},
          {"systems", systems},
          {"against_the_retriever", differences}};
}

Json weights_json(const SecondStage& stage, const FusionWeights& fusion) {
  Json weights = Json::object();
  for (size_t s = 0; s < fusion.weights.size(); ++s)
    weights[stage.scorers[s].name] = fusion.weights[s];
  return weights;
}

}  // namespace

void add_two_stage_options(CLI::App& verb, TwoStageOptions& options) {
  const std::string group = "Second stage: a language model ranks the retriever's candidates";
  verb.add_option("--ranker", options.ranker,
                  "run of `tandem train ranker`, or a model folder or GGUF file as it is: ranks by "
                  "the letters' logits")
      ->check(CLI::ExistingPath)
      ->group(group);
  verb.add_option("--likelihood", options.likelihood,
                  "model (as of `tandem pretrain`) that ranks by how likely a title follows the "
                  "history")
      ->check(CLI::ExistingPath)
      ->group(group);
  verb.add_option("--base", options.base, "where the ranker's base model lies now")
      ->check(CLI::ExistingPath)
      ->group(group);
  verb.add_option(
          "--precision", options.precision,
          "of the models' products: float32, or bfloat16, twice as fast where the CPU has it")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str()
      ->group(group);
  verb.add_option("--set", options.assignments,
                  "prompt.KEY=VALUE for models that bring no prompt of their own, as "
                  "prompt.history_item={title}")
      ->group(group);
}

TwoStageModels load_two_stage_models(const TwoStageOptions& options) {
  PromptConfig prompt;
  const Precision precision = parse_precision(options.precision);
  ConfigSchema schema;
  prompt.add_keys(schema);
  for (const std::string& assignment : options.assignments) schema.set(assignment);
  prompt.validate();
  TwoStageModels models{.num_candidates = prompt.num_candidates};
  if (!options.ranker.empty()) {
    models.letters =
        std::make_unique<Ranker>(load_ranker(options.ranker, prompt, options.base, precision));
    models.num_candidates = models.letters->config().num_candidates;
  }
  if (!options.likelihood.empty())
    models.likelihood =
        std::make_unique<Ranker>(load_ranker(options.likelihood, prompt, {}, precision));
  return models;
}

std::vector<CandidateScores> TwoStageModels::scores(const Dataset& dataset,
                                                    std::span<const RankingSample> samples,
                                                    ThreadPool& pool) const {
  std::vector<CandidateScores> all;
  if (letters) all.push_back(letter_scores(*letters, dataset, samples, pool));
  if (likelihood) all.push_back(likelihood_scores(*likelihood, dataset, samples, pool));
  return all;
}

void run_two_stage(const TwoStageTask& task, const TwoStageOptions& options) {
  const InterruptGuard guard;
  task.resampling.validate();
  const TwoStageModels models = load_two_stage_models(options);
  const Dataset dataset = Dataset::open(task.dataset);
  const Split split = parse_split(task.split);
  ThreadPool pool(task.threads);
  FusionWeights fusion;
  if (options.fuse) {
    const SecondStage valid = scored(task, models, dataset, Split::kValid, pool);
    fusion = find_fusion_weights(valid.scorers, valid.samples);
  }
  const SecondStage stage = scored(task, models, dataset, split, pool);

  Protocol protocol;
  protocol.split = task.split;
  protocol.resampling = task.resampling;
  protocol.fingerprint = dataset.fingerprint();
  protocol.version = TANDEM_VERSION;
  std::vector<Table> tables;
  for (const StageUsers users : {StageUsers::kSubset, StageUsers::kAll}) {
    const bool subset = users == StageUsers::kSubset;
    Table table{subset ? "Users whose held-out item was retrieved" : "All users",
                subset ? "subset" : "all",
                evaluate_stage(stage, fusion.weights, users, protocol, dataset, pool),
                {}};
    for (size_t s = 1; s < table.systems.size(); ++s)
      table.comparisons.push_back(
          compare(table.systems[0], table.systems[s], task.resampling, pool));
    tables.push_back(std::move(table));
  }
  if (!task.output.empty()) {
    StagedFolder staged(task.output, task.overwrite);
    for (const Table& table : tables) {
      for (const Evaluation& system : table.systems)
        write_evaluation(staged.path() / table.folder / system.system, system, false);
    }
    if (options.fuse) write_json(staged.path() / "fusion.json", weights_json(stage, fusion));
    staged.commit();
  }
  if (task.json) {
    Json result = {{"dataset_fingerprint", dataset.fingerprint()},
                   {"split", task.split},
                   {"candidates", stage.num_candidates}};
    if (options.fuse) result["fusion_weights"] = weights_json(stage, fusion);
    for (const Table& table : tables) result[table.folder] = table_json(table);
    fmt::print("{}\n", result.dump(2));
    return;
  }
  for (const Table& table : tables) print_table(table);
  if (options.fuse)
    fmt::print("fusion weights, found on validation ({} {:.4f} there): {}\n", kMetric, fusion.value,
               weights_json(stage, fusion).dump());
  const Evaluation& last = tables.back().systems.back();
  fmt::print("{}\n", last.protocol.describe(last.num_users(), last.num_tied()));
  if (!task.output.empty()) fmt::print("written below {0}/subset and {0}/all\n", task.output);
}

}  // namespace tandem
