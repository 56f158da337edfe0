// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "eval/comparison_report.h"
#include "eval/find_evaluations.h"

namespace tandem {
namespace {

struct CompareOptions {
  std::string a, b, output;
  bool json = false, overwrite = false;
  int threads = 0;
  ResamplingOptions resampling{.resamples = 10'000};
};

void run_compare(const CompareOptions& options) {
  options.resampling.validate();
  expect_evaluation(options.a);
  if (options.b.empty())
    throw UsageError("compare: the second evaluation is missing: tandem compare {} B", options.a);
  expect_evaluation(options.b);
  std::optional<Output> output;
  if (!options.output.empty())
    output.emplace(options.output, kComparisonFolder, options.overwrite,
                   std::vector<fs::path>{options.a, options.b});
  const ComparisonContext context{.folder_a = options.a,
                                  .folder_b = options.b,
                                  .a = read_evaluation(options.a),
                                  .b = read_evaluation(options.b),
                                  .options = options.resampling};
  ThreadPool pool(options.threads);
  const Comparison comparison = compare(context.a, context.b, options.resampling, pool);
  if (output) write_comparison(*output, context, comparison);
  if (options.json) {
    fmt::print("{}\n", comparison_json(context, comparison).dump(2));
    return;
  }
  fmt::print("{}", comparison_text(context, comparison));
  if (!options.output.empty())
    fmt::print("written to {0}; to look at: {0}/comparison.html\n", options.output);
}

}  // namespace

void add_compare_verb(CLI::App& app) {
  const auto options = std::make_shared<CompareOptions>();
  CLI::App* verb = app.add_subcommand("compare", "Is B better than A? A paired test per metric");
  verb->add_option("A", options->a, "evaluation folder, as `tandem eval --output` writes it")
      ->required();
  verb->add_option("B", options->b, "the other evaluation folder");
  verb->add_option("--output", options->output,
                   "folder for comparison.json, comparison.svg and comparison.html");
  verb->add_flag("--overwrite", options->overwrite, "replace the output folder");
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->add_option("--seed", options->resampling.seed, "of the resampling")->capture_default_str();
  verb->add_option("--resamples", options->resampling.resamples,
                   "bootstrap and permutation samples")
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->footer(
      "Both evaluations must rank the same held-out item for the same users of the same data set, "
      "by the same rules and among the same candidates; otherwise the differences are listed and "
      "the exit code is 3. A winner is named only where the paired bootstrap interval of the "
      "difference does not hold 0. A folder that holds several evaluations (of two stages, or a "
      "study) is answered with their names. Several arms and seeds at once: `tandem study`.");
  verb->callback([options] { run_compare(*options); });
}

}  // namespace tandem
