// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "cli/eval_result.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/plural.h"
#include "core/version.h"
#include "eval/candidate_lists.h"
#include "eval/report/report.h"
#include "eval/summary.h"
#include "offline/facts.h"
#include "offline/forecast.h"
#include "offline/full_ranking.h"
#include "offline/fusion_weights.h"
#include "offline/logged_scoring.h"
#include "offline/two_stage.h"

namespace tandem {
namespace {

constexpr double kLongSeconds = 30 * 60;

// Where the scores of finished users are while the evaluation runs.
fs::path scores_path(const Output& output) { return output.path().string() + ".scores"; }

// --overwrite and --resume say what becomes of kept scores; without them they are in the way.
void check_kept_scores(const Output& output, const EvalOptions& options) {
  const fs::path path = scores_path(output);
  if (fs::exists(path) && !options.resume && !options.overwrite)
    throw UsageError(
        "{}: holds the scores of an interrupted evaluation; --resume goes on after "
        "them, --overwrite starts anew",
        path.string());
}

std::string model_name(const std::string& path) {
  return path.empty() ? "" : fmt::format("{}, files {}", path, files_signature(path));
}

// Everything that the scores depend on, for the kept ones.
Json score_settings(const EvalOptions& options, const Dataset& dataset, const SecondStage& stage,
                    const SecondStage* valid) {
  const TwoStageOptions& second = options.second;
  return {{"program", fmt::format("{} {}", program_version(), program_commit())},
          {"instruction set", describe_machine().instruction_set},
          {"data set", dataset.fingerprint()},
          {"split", options.split},
          {"users", stage.users},
          {"seed", options.resampling.seed},
          {"candidates", candidate_set_name(stage.candidates, stage.num_candidates)},
          {"validation candidates",
           valid == nullptr ? "" : candidate_set_name(valid->candidates, valid->num_candidates)},
          {"--ranker", model_name(second.ranker)},
          {"--base", model_name(second.base)},
          {"--likelihood", model_name(second.likelihood)},
          {"--judge", model_name(second.judge)},
          {"--set", second.assignments},
          {"--precision", second.precision},
          {"--permutations", second.permutations}};
}

// How many prompts each model will be asked, the shortened histories and the random order included.
ScoringPasses count_prompts(const EvalOptions& options, const SecondStage& stage,
                            const SecondStage* valid) {
  const int64_t users = std::ssize(stage.samples);
  const int64_t once = users * (1 + std::ssize(options.beyond.history_lengths)) +
                       (valid == nullptr ? 0 : std::ssize(valid->samples));
  return {
      .letters = once * options.second.permutations + (options.beyond.position_bias ? users : 0),
      .likelihood = once};
}

void print_forecast(const EvalOptions& options, const SecondStageModels& models,
                    const SecondStage& stage, const SecondStage* valid, ThreadPool& pool) {
  if (!spdlog::should_log(spdlog::level::info) || models.reader() == nullptr) return;
  const ScoringForecast forecast =
      forecast_scoring(models, stage.samples, count_prompts(options, stage, valid), pool);
  spdlog::info("forecast for {}\n{}", counted(std::ssize(stage.samples), "user"), forecast.text());
  if (forecast.seconds() > kLongSeconds && options.users == 0)
    spdlog::info(
        "--users N evaluates a random sample{}",
        options.output.empty() ? "; --output keeps scores, so that --resume can go on" : "");
  if (forecast.memory_bytes > describe_machine().memory_bytes)
    spdlog::warn("this machine has {:.1f} GB",
                 static_cast<double>(describe_machine().memory_bytes) / 1e9);
}

void score(SecondStage& stage, const SecondStageModels& models, ThreadPool& pool,
           ScoringWatch& watch) {
  for (CandidateScores& scores : models.scores(stage.samples, pool, &watch))
    stage.scorers.push_back(std::move(scores));
}

Json weights_json(const SecondStage& stage, const FusionWeights& fusion) {
  Json weights = Json::object();
  for (size_t s = 0; s < fusion.weights.size(); ++s)
    weights[stage.scorers[s].name] = fusion.weights[s];
  return weights;
}

struct TwoStageResult {
  SecondStage stage;
  FusionWeights fusion;
  std::vector<EvalTable> tables;  // all users, the subset
  std::vector<MetricResult> auc;  // of the subset's systems, by their names
  BeyondUtility beyond;
};

// Of every system among the candidates of the subset's users.
std::vector<MetricResult> auc_of(const SecondStage& stage, const EvalTable& subset,
                                 const ResamplingOptions& resampling, ThreadPool& pool) {
  std::vector<MetricResult> found;
  std::vector<int64_t> counts;
  for (const RankingSample& sample : stage.samples) counts.push_back(std::ssize(sample.candidates));
  if (std::ranges::min(counts) < 2) return found;
  for (const Evaluation& system : subset.systems) {
    const UserValues values = auc_values(system.ranks, counts);
    found.push_back({.name = system.system,
                     .value = means(values)[0],
                     .interval = bootstrap_intervals(values, resampling, pool)[0]});
  }
  return found;
}

// Both tables have the same systems, which read the same.
void add_facts(TwoStageResult& result, const SecondStage* valid, const SecondStageModels& models) {
  for (size_t i = 0; i < result.tables.front().systems.size(); ++i) {
    const Json facts =
        system_facts(result.tables.front().systems[i].system, result.stage, valid, models);
    for (EvalTable& table : result.tables) table.systems[i].facts = facts;
  }
}

TwoStageResult evaluate_stages(const EvalOptions& options, const Dataset& dataset,
                               SecondStageModels& models, std::optional<ScoreLog>& log,
                               const std::optional<Output>& output, ThreadPool& pool) {
  StageSource source{.retriever = options.retriever,
                     .split = parse_split(options.split),
                     .num_candidates = models.num_candidates,
                     .seen = options.seen(),
                     .sample = options.sample()};
  TwoStageResult result;
  result.stage = open_second_stage(source, dataset, pool);
  std::optional<SecondStage> valid;
  source.split = Split::kValid;
  if (options.second.fuse) valid = open_second_stage(source, dataset, pool);
  const SecondStage* const valid_stage = valid ? &*valid : nullptr;
  if (output) {
    log.emplace(scores_path(*output), score_settings(options, dataset, result.stage, valid_stage),
                options.resume);
  }
  LoggedScoring watch(log ? &*log : nullptr);
  print_forecast(options, models, result.stage, valid_stage, pool);
  if (valid) {
    score(*valid, models, pool, watch);
    result.fusion = find_fusion_weights(valid->scorers, valid->samples);
  }
  score(result.stage, models, pool, watch);

  Protocol protocol = start_protocol(options, dataset);
  protocol.precision = options.second.precision;
  for (const StageUsers users : {StageUsers::kAll, StageUsers::kSubset}) {
    const bool all = users == StageUsers::kAll;
    EvalTable table{.folder = all ? "all" : "subset",
                    .systems = evaluate_stage(result.stage, result.fusion.weights, users, protocol,
                                              dataset, pool)};
    const int64_t count = table.systems.front().num_users();
    table.title =
        all ? fmt::format("{}, {} split",
                          result.stage.users == "all" ? "All " + counted(count, "user")
                                                      : users_text(result.stage.users),
                          options.split)
            : fmt::format("The {} whose held-out item was retrieved", counted(count, "user"));
    table.compare_with_first(options.resampling, pool);
    result.tables.push_back(std::move(table));
  }
  result.auc = auc_of(result.stage, result.tables.back(), options.resampling, pool);
  if (output) add_facts(result, valid_stage, models);
  result.beyond = stage_beyond(result.stage, result.fusion.weights, models, dataset,
                               result.tables.back().systems, options.beyond, pool, &watch);
  return result;
}

Json table_json(const EvalTable& table) {
  Json systems = Json::array();
  for (const Evaluation& system : table.systems)
    systems.push_back({{"system", system.system},
                       {"tied_targets", system.num_tied()},
                       {"excluded_targets", system.num_excluded()},
                       {"metrics", metrics_json(system)}});
  return {{"users", table.systems[0].num_users()},
          {"systems", systems},
          {"against_the_retriever", differences_json(table)}};
}

Json result_json(const EvalOptions& options, const Dataset& dataset, const TwoStageResult& result) {
  Json json = {{"dataset_fingerprint", dataset.fingerprint()},
               {"split", options.split},
               {"users", result.stage.users},
               {"candidates", result.stage.num_candidates}};
  if (options.second.fuse) {
    json["fusion_weights"] = weights_json(result.stage, result.fusion);
    json["NDCG@10 on validation"] = result.fusion.value;
  }
  for (const EvalTable* table : {&result.tables[1], &result.tables[0]})
    json[table->folder] = table_json(*table);
  for (const MetricResult& auc : result.auc)
    json["auc"][auc.name] = {{"value", auc.value},
                             {"interval", {auc.interval.low, auc.interval.high}}};
  json["beyond_utility"] = beyond_json(result.beyond);
  return json;
}

void print_result(const EvalOptions& options, const TwoStageResult& result) {
  print_tables(result.tables, options.details);
  std::string auc;
  for (const MetricResult& system : result.auc)
    auc += fmt::format("{}{} {:.4f} [{:.4f}, {:.4f}]", auc.empty() ? "" : ", ", system.name,
                       system.value, system.interval.low, system.interval.high);
  if (!auc.empty()) fmt::print("{}\n", wrapped("AUC among the candidates: " + auc));
  if (options.second.fuse)
    fmt::print("{}\n", wrapped(fmt::format(
                           "Fusion weights, found on validation (NDCG@10 {:.4f} there): {}",
                           result.fusion.value, weights_json(result.stage, result.fusion).dump())));
  if (!options.details) return;
  fmt::print("Beyond accuracy, of the {} of the subset\n",
             counted(result.beyond.num_users, "user"));
  print_details(result.beyond, result.tables.front().systems);
}

void write_folder(const Output& output, const EvalOptions& options, const Dataset& dataset,
                  const TwoStageResult& result, ThreadPool& pool) {
  StagedFolder staged(output);
  Report report{.title = "Tandem: two stages"};
  for (const EvalTable& table : result.tables) {
    for (const Evaluation& system : table.systems) {
      write_evaluation(staged.path() / table.folder / system.system, system);
      report.evaluations.push_back(system);
      report.history_lengths.push_back(history_lengths(system, dataset));
    }
  }
  report.beyond.push_back(result.beyond);
  if (options.second.fuse)
    write_json(staged.path() / "fusion.json", weights_json(result.stage, result.fusion));
  write_json(staged.path() / kBeyondFile, beyond_json(result.beyond));
  write_file(staged.path() / kReportFile, html_report(report, pool));
  staged.commit();
}

}  // namespace

void run_two_stage(const EvalOptions& options) {
  const InterruptGuard guard;
  const std::optional<Output> output = eval_output(options);
  if (output) check_kept_scores(*output, options);
  const Dataset dataset = Dataset::open(options.dataset);
  ThreadPool pool(options.threads);
  SecondStageModels models = load_two_stage_models(options.second, dataset, pool);
  if (options.has("--list-size") && options.beyond.list_size > models.num_candidates)
    throw UsageError("--list-size is {}; the models rank {} candidates", options.beyond.list_size,
                     models.num_candidates);
  std::optional<ScoreLog> log;
  TwoStageResult result;
  try {
    result = evaluate_stages(options, dataset, models, log, output, pool);
  } catch (const Stopped& stopped) {
    if (!log) throw;
    throw Interrupted(
        "stopped before all users were ranked; the finished ones' scores are in {}: "
        "the same command with --resume goes on",
        log->path().string());
  }
  // Printed before it is written: a full disk does not take the result along.
  if (options.json) {
    print_json(result_json(options, dataset, result));
  } else {
    print_result(options, result);
  }
  if (output) write_folder(*output, options, dataset, result, pool);
  if (log) log->remove();
  if (!options.json) print_where(options);
}

}  // namespace tandem
