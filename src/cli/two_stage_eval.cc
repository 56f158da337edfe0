// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cli/two_stage_options.h"
#include "core/config.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "eval/compare.h"
#include "eval/report/report.h"
#include "rank/full_ranking.h"
#include "rank/ranker_files.h"
#include "rank/two_stage.h"

namespace tandem {
namespace {

SecondStage scored(const TwoStageTask& task, const SecondStageModels& models,
                   const Dataset& dataset, Split split, ThreadPool& pool) {
  SecondStage stage =
      open_second_stage(task.retriever, dataset, split, models.num_candidates, pool);
  for (CandidateScores& scores : models.scores(stage.samples, pool))
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
  for (const Evaluation& system : table.systems)
    systems.push_back({{"system", system.system},
                       {"tied_targets", system.num_tied()},
                       {"excluded_targets", system.num_excluded()},
                       {"metrics", metrics_json(system)}});
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

std::string two_stage_report(const std::vector<Table>& tables, const BeyondUtility& beyond,
                             const Dataset& dataset, ThreadPool& pool) {
  Report report{.title = "Tandem: two stages"};
  for (auto table = tables.rbegin(); table != tables.rend(); ++table) {  // all users first
    for (const Evaluation& system : table->systems) {
      report.evaluations.push_back(system);
      report.history_lengths.push_back(history_lengths(system, dataset));
    }
  }
  report.beyond.push_back(beyond);
  return html_report(report, pool);
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
                  "prompt.KEY=VALUE, as prompt.history_item={title}, over the prompt that the "
                  "model was pre-trained with; a ranker's run keeps its own")
      ->group(group);
  verb.add_option("--permutations", options.permutations,
                  "average the letters' probabilities over so many orders of the candidates, "
                  "each a turn of the retriever's; costs as many passes")
      ->check(CLI::Range(1, 52))
      ->capture_default_str()
      ->group(group);
}

PromptConfig prompt_for(const fs::path& model, std::span<const std::string> assignments) {
  PromptConfig prompt = model_prompt(model);
  ConfigSchema schema;
  prompt.add_keys(schema);
  for (const std::string& assignment : assignments) schema.set(assignment);
  prompt.validate();
  return prompt;
}

SecondStageModels load_two_stage_models(const TwoStageOptions& options, const Dataset& dataset,
                                        ThreadPool& pool) {
  SecondStageModels models{.permutations = options.permutations};
  const auto load = [&](const std::string& path, const std::string& base) {
    return std::make_unique<TitledRanker>(load_ranker(path, prompt_for(path, options.assignments),
                                                      base, parse_precision(options.precision)),
                                          dataset, pool);
  };
  if (!options.likelihood.empty()) {
    models.likelihood = load(options.likelihood, "");
    models.num_candidates = models.likelihood->ranker.config().num_candidates;
  }
  if (!options.ranker.empty()) {
    models.letters = load(options.ranker, options.base);
    models.num_candidates = models.letters->ranker.config().num_candidates;
  }
  if (options.permutations > 1 && !models.letters)
    throw UsageError("--permutations needs --ranker: only letters have an order");
  if (options.permutations > models.num_candidates)
    throw UsageError("--permutations is {}; {} candidates have no more turns", options.permutations,
                     models.num_candidates);
  return models;
}

void run_two_stage(const TwoStageTask& task, const TwoStageOptions& options) {
  const InterruptGuard guard;
  task.resampling.validate();
  std::optional<Output> output;
  if (!task.output.empty())
    output.emplace(task.output, kEvaluationFolder, task.overwrite,
                   std::vector<fs::path>{task.dataset, task.retriever, options.ranker,
                                         options.likelihood, options.base});
  const Dataset dataset = Dataset::open(task.dataset);
  const Split split = parse_split(task.split);
  ThreadPool pool(task.threads);
  const SecondStageModels models = load_two_stage_models(options, dataset, pool);
  task.beyond.validate();
  FusionWeights fusion;
  if (options.fuse) {
    const SecondStage valid = scored(task, models, dataset, Split::kValid, pool);
    fusion = find_fusion_weights(valid.scorers, valid.samples);
  }
  const SecondStage stage = scored(task, models, dataset, split, pool);

  Protocol protocol;
  protocol.split = task.split;
  protocol.precision = options.precision;
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
  const BeyondUtility beyond = stage_beyond(stage, fusion.weights, models, dataset,
                                            tables.front().systems, task.beyond, pool);
  if (output) {
    StagedFolder staged(*output);
    for (const Table& table : tables) {
      for (const Evaluation& system : table.systems)
        write_evaluation(staged.path() / table.folder / system.system, system);
    }
    if (options.fuse) write_json(staged.path() / "fusion.json", weights_json(stage, fusion));
    write_json(staged.path() / kBeyondFile, beyond_json(beyond));
    write_file(staged.path() / kReportFile, two_stage_report(tables, beyond, dataset, pool));
    staged.commit();
  }
  if (task.json) {
    Json result = {{"dataset_fingerprint", dataset.fingerprint()},
                   {"split", task.split},
                   {"candidates", stage.num_candidates}};
    if (options.fuse) result["fusion_weights"] = weights_json(stage, fusion);
    for (const Table& table : tables) result[table.folder] = table_json(table);
    result["beyond_utility"] = beyond_json(beyond);
    fmt::print("{}\n", result.dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  for (const Table& table : tables) print_table(table);
  if (options.fuse)
    fmt::print("fusion weights, found on validation ({} {:.4f} there): {}\n", kMetric, fusion.value,
               weights_json(stage, fusion).dump());
  fmt::print("\nThe same {} users of the subset\n{}\n", beyond.num_users, beyond_text(beyond));
  fmt::print("{}\n", tables.back().systems.back().describe());
  if (!task.output.empty())
    fmt::print("written below {0}/subset and {0}/all; to look at: {0}/report.html\n", task.output);
}

}  // namespace tandem
