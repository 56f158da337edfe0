// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/eval_options.h"
#include "cli/eval_result.h"
#include "cli/verbs.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/plural.h"
#include "eval/beyond_utility.h"
#include "eval/evaluation.h"
#include "eval/report/report.h"
#include "offline/full_ranking.h"
#include "rank/catalogue.h"

namespace tandem {
namespace {

// Metrics.json, ranks.tsv, beyond_utility.json and report.html of one system.
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

Json result_json(const Dataset& dataset, const EvalTable& table, const BeyondUtility& beyond,
                 const Json& catalogue) {
  Json list = Json::array();
  for (const Evaluation& system : table.systems) list.push_back(to_json(system));
  Json result = {
      {"dataset_fingerprint", dataset.fingerprint()}, {"catalogue", catalogue}, {"systems", list}};
  if (!table.comparisons.empty()) result["against_the_baseline"] = differences_json(table);
  result["beyond_utility"] = beyond_json(beyond);
  return result;
}

// What is evaluated, how, and against what; `beyond` stays empty for popularity alone.
struct Evaluated {
  EvalTable table;
  BeyondUtility beyond;
  Json catalogue;  // how the retriever's items were matched with the data set's
};

Evaluated evaluate_retriever(const EvalOptions& options, const Dataset& dataset, ThreadPool& pool) {
  const Split split = parse_split(options.split);
  const engine::SeenItems seen = engine::parse_seen_items(options.exclude);
  Protocol protocol = start_protocol(options, dataset);
  protocol.seen_items = engine::seen_items_name(seen);
  const NameOf user_name = [&](int64_t user) { return std::string(dataset.user_id(user)); };
  const NameOf item_name = [&](int64_t item) {
    return std::string(dataset.item_id(static_cast<int32_t>(item)));
  };
  const UserSample sample = options.sample();
  const auto evaluate = [&](const std::string& system, const RankList& ranks) {
    return evaluate_ranks(system, protocol, ranks, user_name, item_name, pool);
  };
  const auto popularity = [&](int64_t window) {
    const RankList ranks = rank_by_popularity(dataset, split, seen, window, pool);
    protocol.users = sample.name(ranks.size());
    return evaluate("popularity", sample.draw(ranks));
  };

  Evaluated result;
  std::vector<Evaluation>& systems = result.table.systems;  // the one asked for last
  if (options.retriever == "popularity") {
    systems.push_back(popularity(options.max_length));
  } else {
    const auto [retriever, match] =
        open_retriever(options.retriever, dataset, {.max_length = options.max_length});
    result.catalogue = match.to_json();
    if (options.has("--max-length") && retriever->max_length() != options.max_length)
      throw UsageError("--max-length is {}, but {} says itself that its model sees {} items",
                       options.max_length, options.retriever, retriever->max_length());
    if (options.has("--list-size") && options.beyond.list_size > dataset.num_items())
      throw UsageError("--list-size is {}; {} has {} items", options.beyond.list_size,
                       options.dataset, dataset.num_items());
    const int64_t k = std::min<int64_t>(options.beyond.list_size, dataset.num_items());
    FullRanking ranking = rank_users(*retriever, dataset, split, k, seen, pool);
    if (!options.baseline.empty()) systems.push_back(popularity(retriever->max_length()));
    protocol.users = sample.name(ranking.ranks.size());
    ranking.ranks = sample.draw(ranking.ranks);
    systems.push_back(evaluate(retriever->config().model_type, ranking.ranks));
    result.beyond = retriever_beyond(*retriever, dataset, split, seen, ranking, systems.back(),
                                     options.beyond, pool);
  }
  result.beyond.protocol = systems.back().protocol;
  result.beyond.num_users = systems.back().num_users();
  result.table.title =
      fmt::format("{}, {} split", counted(systems.back().num_users(), "user"), options.split);
  result.table.compare_with_first(options.resampling, pool);
  return result;
}

void run_eval(const EvalOptions& options) {
  if (options.second.asked()) return run_two_stage(options);
  const InterruptGuard guard;
  const std::optional<Output> output = eval_output(options);
  const Dataset dataset = Dataset::open(options.dataset);
  ThreadPool pool(options.threads);
  const auto [table, beyond, catalogue] = evaluate_retriever(options, dataset, pool);
  // Printed before it is written: a full disk does not take the result along.
  if (options.json) {
    print_json(result_json(dataset, table, beyond, catalogue));
  } else {
    print_tables({&table, 1}, options.details);
    if (options.details) print_details(beyond, table.systems);
  }
  if (output) write_folder(*output, dataset, table.systems, beyond, pool);
  if (!options.json) print_where(options);
}

}  // namespace

void add_eval_verb(CLI::App& app) {
  const auto options = std::make_shared<EvalOptions>();
  CLI::App* verb = app.add_subcommand(
      "eval", "How well does it predict each user's held-out item, and what are its lists like?");
  add_eval_options(*verb, *options);
  verb->callback([verb, options] {
    check_eval_options(*verb, *options);
    run_eval(*options);
  });
}

}  // namespace tandem
