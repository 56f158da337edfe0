// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_result.h"

#include <fmt/format.h>

#include "eval/summary.h"

namespace tandem {
namespace {

void print_verdicts(const EvalTable& table) {
  for (const Comparison& comparison : table.comparisons)
    fmt::print("{}", wrapped(verdict_line(comparison)));
}

void print_differences(const EvalTable& table) {
  for (const Comparison& comparison : table.comparisons) {
    fmt::print("{} - {}\n", comparison.system_b, comparison.system_a);
    for (const MetricComparison& metric : comparison.metrics)
      fmt::print("  {:<10} {:+.4f} [{:+.4f}, {:+.4f}]  p = {:.4f}  {}\n", metric.name,
                 metric.difference, metric.interval.low, metric.interval.high, metric.p_value,
                 verdict_words(metric));
  }
}

}  // namespace

void EvalTable::compare_with_first(const ResamplingOptions& resampling, ThreadPool& pool) {
  for (size_t s = 1; s < systems.size(); ++s)
    comparisons.push_back(compare(systems[0], systems[s], resampling, pool));
}

Protocol start_protocol(const EvalOptions& options, const Dataset& dataset) {
  Protocol protocol;
  protocol.split = options.split;
  protocol.cutoffs = options.cutoffs;
  protocol.resampling = options.resampling;
  protocol.fingerprint = dataset.fingerprint();
  protocol.version = TANDEM_VERSION;
  return protocol;
}

std::optional<Output> eval_output(const EvalOptions& options) {
  if (options.output.empty()) return {};
  return Output(options.output, kEvaluationFolder, options.overwrite, options.inputs());
}

void print_tables(std::span<const EvalTable> tables, bool details) {
  for (const EvalTable& table : tables) {
    fmt::print("{}\n{}", table.title,
               details ? metric_table(table.systems) : summary_table(table.systems));
    details ? print_differences(table) : print_verdicts(table);
    // Of the last system: the excluded are the same for all, and popularity knows every item.
    const Evaluation& last = table.systems.back();
    for (const std::string& sentence : {last.excluded_sentence(), last.unknown_sentence()})
      if (!sentence.empty() && !details) fmt::print("{}", wrapped(sentence));
    fmt::print("\n");
  }
}

void print_details(const BeyondUtility& beyond, std::span<const Evaluation> systems) {
  fmt::print("{}{}", beyond_text(beyond), wrapped("Protocol: " + protocol_paragraph(systems)));
}

void print_where(const EvalOptions& options) {
  if (!options.output.empty()) {
    fmt::print("All of it is in {0}; to look at: {0}/report.html\n", options.output);
  } else if (!options.details) {
    fmt::print("--details prints the rest, --output FOLDER keeps it.\n");
  }
}

void print_json(const Json& result) {
  fmt::print("{}\n", result.dump(2, ' ', false, Json::error_handler_t::replace));
}

Json differences_json(const EvalTable& table) {
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
  return differences;
}

}  // namespace tandem
