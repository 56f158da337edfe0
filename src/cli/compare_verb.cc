// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <string>

#include "cli/verbs.h"
#include "core/json.h"
#include "eval/compare.h"

namespace tandem {
namespace {

struct CompareOptions {
  std::string a, b;
  bool json = false;
  int threads = 0;
  ResamplingOptions resampling{.resamples = 10'000};
};

std::string verdict(const MetricComparison& metric) {
  if (metric.winner() == 0) return "no clear difference";
  return metric.winner() > 0 ? "B is better" : "A is better";
}

void print_json(const CompareOptions& options, const Comparison& comparison, const Evaluation& a) {
  Json metrics = Json::array();
  for (const MetricComparison& metric : comparison.metrics) {
    const int winner = metric.winner();
    metrics.push_back(Json{{"name", metric.name},
                           {"a", metric.a},
                           {"b", metric.b},
                           {"difference", metric.difference},
                           {"interval", Json::array({metric.interval.low, metric.interval.high})},
                           {"p_value", metric.p_value},
                           {"better", winner == 0 ? Json(nullptr) : Json(winner > 0 ? "b" : "a")}});
  }
  const Json result{{"a", Json{{"folder", options.a}, {"system", comparison.system_a}}},
                    {"b", Json{{"folder", options.b}, {"system", comparison.system_b}}},
                    {"split", a.protocol.split},
                    {"users", comparison.num_users},
                    {"users_with_another_rank", comparison.num_differing},
                    {"seed", options.resampling.seed},
                    {"resamples", options.resampling.resamples},
                    {"interval_level", options.resampling.level},
                    {"metrics", metrics}};
  fmt::print("{}\n", result.dump(2));
}

void print_table(const CompareOptions& options, const Comparison& comparison, const Evaluation& a,
                 const Evaluation& b) {
  fmt::print("A  {}  ({})\nB  {}  ({})\n", comparison.system_a, options.a, comparison.system_b,
             options.b);
  fmt::print("A: {}\nB: {}\n", a.protocol.describe(a.num_users(), a.num_tied()),
             b.protocol.describe(b.num_users(), b.num_tied()));
  fmt::print("{} users, {} of them with another rank; {} resamples, seed {}\n\n",
             comparison.num_users, comparison.num_differing, options.resampling.resamples,
             options.resampling.seed);
  fmt::print("{:<12} {:>8} {:>8} {:>9}  {:<20} {:>8}  {}\n", "metric", "A", "B", "B - A",
             fmt::format("{:g} % interval", 100 * options.resampling.level), "p", "");
  for (const MetricComparison& metric : comparison.metrics) {
    const std::string interval =
        fmt::format("[{:+.4f}, {:+.4f}]", metric.interval.low, metric.interval.high);
    fmt::print("{:<12} {:>8.4f} {:>8.4f} {:>+9.4f}  {:<20} {:>8.4f}  {}\n", metric.name, metric.a,
               metric.b, metric.difference, interval, metric.p_value, verdict(metric));
  }
}

void run_compare(const CompareOptions& options) {
  options.resampling.validate();
  const Evaluation a = read_evaluation(options.a), b = read_evaluation(options.b);
  ThreadPool pool(options.threads);
  const Comparison comparison = compare(a, b, options.resampling, pool);
  if (options.json) {
    print_json(options, comparison, a);
  } else {
    print_table(options, comparison, a, b);
  }
}

}  // namespace

void add_compare_verb(CLI::App& app) {
  const auto options = std::make_shared<CompareOptions>();
  CLI::App* verb = app.add_subcommand("compare", "Is B better than A? A paired test per metric");
  verb->add_option("A", options->a, "evaluation folder, as `tandem eval --output` writes it")
      ->required();
  verb->add_option("B", options->b, "the other evaluation folder")->required();
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->add_option("--seed", options->resampling.seed, "of the resampling")->capture_default_str();
  verb->add_option("--resamples", options->resampling.resamples,
                   "bootstrap and permutation samples")
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->footer(
      "Both evaluations must rank the same held-out item for the same users of the same data set, "
      "by\n"
      "the same rules; otherwise the differences are listed and the exit code is 3. A winner is "
      "named\n"
      "only where the paired bootstrap interval of the difference does not hold 0.");
  verb->callback([options] { run_compare(*options); });
}

}  // namespace tandem
