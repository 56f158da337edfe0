// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/two_stage_options.h"
#include "cli/verbs.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "eval/beyond_utility.h"
#include "eval/evaluation.h"
#include "eval/report/report.h"
#include "rank/catalogue.h"
#include "rank/full_ranking.h"

namespace tandem {
namespace {

struct EvalOptions {
  std::string dataset, retriever, baseline, output, split = "test", exclude = "window";
  std::vector<int32_t> cutoffs = kDefaultCutoffs;
  int64_t max_length = RetrieverModelConfig{}.max_length;
  ResamplingOptions resampling;
  int threads = 0;
  bool json = false, overwrite = false;
  TwoStageOptions second;
  BeyondOptions beyond;
  bool generate = false;
  int64_t generate_users = 50;
};

// The folder of one system: metrics.json, ranks.tsv, beyond_utility.json and report.html.
void write_folder(const Output& output, const Dataset& dataset, std::span<const Evaluation> systems,
                  const BeyondUtility& beyond, ThreadPool& pool) {
  StagedFolder staged(output);
  write_evaluation_files(staged.path(), systems.back());
  write_json(staged.path() / kBeyondFile, beyond_json(beyond));
  Report report{.title = "Tandem: " + systems.back().system};
  for (const Evaluation& system : systems) {
    report.evaluations.push_back(system);
    report.history_lengths.push_back(history_lengths(system, dataset));
  }
  report.beyond.push_back(beyond);
  write_file(staged.path() / kReportFile, html_report(report, pool));
  staged.commit();
}

Json to_json(const Evaluation& evaluation) {
  return {{"system", evaluation.system},           {"users", evaluation.num_users()},
          {"tied_targets", evaluation.num_tied()}, {"excluded_targets", evaluation.num_excluded()},
          {"protocol", evaluation.describe()},     {"metrics", metrics_json(evaluation)}};
}

void run_eval(const EvalOptions& options) {
  if (options.second.asked()) {
    return run_two_stage({.dataset = options.dataset,
                          .retriever = options.retriever,
                          .output = options.output,
                          .split = options.split,
                          .resampling = options.resampling,
                          .threads = options.threads,
                          .json = options.json,
                          .overwrite = options.overwrite,
                          .beyond = options.beyond},
                         options.second);
  }
  if (options.beyond.position_bias || options.generate || options.second.permutations > 1)
    throw UsageError("--position-bias, --permutations and --generate need --ranker");
  const InterruptGuard guard;
  options.resampling.validate();
  ranking_metrics(options.cutoffs);  // a wrong cut-off is an error before the work
  std::optional<Output> output;
  if (!options.output.empty())
    output.emplace(options.output, kEvaluationFolder, options.overwrite,
                   std::vector<fs::path>{options.dataset, options.retriever});
  const Dataset dataset = Dataset::open(options.dataset);
  const Split split = parse_split(options.split);
  const SeenItems seen = parse_seen_items(options.exclude);
  ThreadPool pool(options.threads);

  Protocol protocol;
  protocol.split = options.split;
  protocol.seen_items = seen_items_name(seen);
  protocol.cutoffs = options.cutoffs;
  protocol.resampling = options.resampling;
  protocol.fingerprint = dataset.fingerprint();
  protocol.version = TANDEM_VERSION;
  const NameOf user_name = [&](int64_t user) { return std::string(dataset.user_id(user)); };
  const NameOf item_name = [&](int64_t item) {
    return std::string(dataset.item_id(static_cast<int32_t>(item)));
  };
  const auto evaluate = [&](const std::string& system, const RankList& ranks) {
    return evaluate_ranks(system, protocol, ranks, user_name, item_name, pool);
  };

  std::vector<Evaluation> systems;  // the one asked for last, as the right-most column
  BeyondUtility beyond;
  Json catalogue;
  if (options.retriever == "popularity") {
    systems.push_back(
        evaluate("popularity", rank_by_popularity(dataset, split, seen, options.max_length, pool)));
  } else {
    const auto [retriever, match] =
        open_retriever(options.retriever, dataset, {.max_length = options.max_length});
    catalogue = match.to_json();
    const int64_t k = std::min<int64_t>(options.beyond.list_size, dataset.num_items());
    const FullRanking ranking = rank_users(*retriever, dataset, split, k, seen, pool);
    if (options.baseline == "popularity")
      systems.push_back(evaluate(
          "popularity", rank_by_popularity(dataset, split, seen, retriever->max_length(), pool)));
    systems.push_back(evaluate(retriever->config().model_type, ranking.ranks));
    beyond = retriever_beyond(*retriever, dataset, split, seen, ranking, systems.back(),
                              options.beyond, pool);
  }
  const Evaluation& main = systems.back();
  beyond.protocol = main.protocol;
  beyond.num_users = main.num_users();
  if (output) write_folder(*output, dataset, systems, beyond, pool);
  if (options.json) {
    Json list = Json::array();
    for (const Evaluation& system : systems) list.push_back(to_json(system));
    fmt::print("{}\n", Json{{"dataset_fingerprint", dataset.fingerprint()},
                            {"catalogue", catalogue},
                            {"systems", list},
                            {"beyond_utility", beyond_json(beyond)}}
                           .dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}\n{}\n", metric_table(systems), beyond_text(beyond));
  for (const Evaluation& system : systems) fmt::print("{}: {}\n", system.system, system.describe());
  fmt::print("{:g} % bootstrap intervals over users ({} resamples, seed {}); data set {}\n",
             100 * options.resampling.level, options.resampling.resamples, options.resampling.seed,
             dataset.fingerprint().substr(0, 16));
  if (!options.output.empty())
    fmt::print("written to {0}; to look at: {0}/report.html\n", options.output);
}

}  // namespace

void add_eval_verb(CLI::App& app) {
  const auto options = std::make_shared<EvalOptions>();
  CLI::App* verb = app.add_subcommand(
      "eval", "How well does it predict each user's held-out item, and what are its lists like?");
  verb->add_option("--dataset", options->dataset, "data set folder, from `tandem data import`")
      ->required();
  verb->add_option("--retriever", options->retriever,
                   "a run folder, an authors' checkpoint (.pth, .safetensors), or popularity")
      ->required();
  verb->add_option("--baseline", options->baseline, "popularity: a second column to compare with")
      ->check(CLI::IsMember({"popularity"}));
  verb->add_option("--split", options->split, "which held-out item: valid or test")
      ->capture_default_str();
  verb->add_option("--exclude", options->exclude,
                   "known items that cannot be recommended: window (those the model sees), full "
                   "(all known), none")
      ->capture_default_str();
  verb->add_option("--ks", options->cutoffs, "cut-offs K of Recall, MRR and NDCG")->delimiter(',');
  verb->add_option(
      "--output", options->output,
      "folder for metrics.json and ranks.tsv, which `tandem compare` reads, and report.html");
  verb->add_flag("--overwrite", options->overwrite, "replace the output folder");
  verb->add_option(
          "--max-length", options->max_length,
          "history length of a checkpoint that does not say it; the window of popularity alone")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("--resamples", options->resampling.resamples, "bootstrap samples")
      ->capture_default_str();
  verb->add_option("--seed", options->resampling.seed, "of the bootstrap")->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  add_two_stage_options(*verb, options->second);
  verb->add_flag("--fuse", options->second.fuse,
                 "with a second stage, one more column: retriever and models combined, with "
                 "weights found on validation");
  const std::string group = "Beyond accuracy";
  BeyondOptions& beyond = options->beyond;
  verb->add_option("--list-size", beyond.list_size,
                   "k of coverage, Gini, popularity and the like of what is recommended")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str()
      ->group(group);
  verb->add_option("--history-lengths", beyond.history_lengths,
                   "score again with histories cut to so many newest items, as 1,2,5,10,20")
      ->delimiter(',')
      ->group(group);
  verb->add_flag("--position-bias", beyond.position_bias,
                 "with --ranker: score again with the candidates in random order; accuracy and "
                 "first choices by the place of the truth")
      ->group(group);
  verb->add_option("--examples", beyond.examples,
                   "with a second stage: users to show with prompt and probabilities")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str()
      ->group(group);
  verb->add_flag("--generate", options->generate,
                 "with a second stage: let its model write lists of titles, too; format compliance "
                 "and invented titles")
      ->group(group);
  verb->add_option("--users", options->generate_users, "with --generate: for so many users")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str()
      ->group(group);
  verb->callback([options] {
    if (options->generate) options->beyond.generated_lists = options->generate_users;
    run_eval(*options);
  });
}

}  // namespace tandem
