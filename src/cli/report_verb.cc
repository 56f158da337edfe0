// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "data/dataset.h"
#include "eval/report/report.h"
#include "formats/run_folder.h"

namespace tandem {
namespace {

struct ReportOptions {
  std::vector<std::string> folders;
  std::string dataset, output = "report.html", title = "Tandem report";
  int threads = 0;
};

// Interactions of each evaluated user before the target.
std::vector<int32_t> history_lengths(const Evaluation& evaluation, const Dataset& dataset) {
  if (evaluation.protocol.fingerprint != dataset.fingerprint()) {
    throw DataError("{} was evaluated on another data set (fingerprint {}, {} has {})",
                    evaluation.system, evaluation.protocol.fingerprint, dataset.folder().string(),
                    dataset.fingerprint());
  }
  const Split split = evaluation.protocol.split == "valid" ? Split::kValid : Split::kTest;
  std::vector<int32_t> lengths;
  for (const std::string& id : evaluation.user_ids) {
    const auto user = dataset.find_user(id);
    if (!user) {
      throw DataError("{}: user '{}' is not in {}", evaluation.system, id,
                      dataset.folder().string());
    }
    lengths.push_back(static_cast<int32_t>(input_items(dataset, *user, split).size()));
  }
  return lengths;
}

void write_report(const ReportOptions& options) {
  Report report{options.title, {}, {}, {}};
  for (const fs::path folder : options.folders) {
    if (fs::exists(folder / "ranks.tsv")) {
      report.evaluations.push_back(read_evaluation(folder));
    } else {
      report.runs.push_back({folder.filename().string(), RunFolder::open(folder).metrics()});
    }
  }
  if (!options.dataset.empty()) {
    const Dataset dataset = Dataset::open(options.dataset);
    for (const Evaluation& evaluation : report.evaluations) {
      report.history_lengths.push_back(history_lengths(evaluation, dataset));
    }
  }
  ThreadPool pool(options.threads);
  write_file(options.output, html_report(report, pool));
  fmt::print("wrote {}: {} evaluations, {} training runs\n", options.output,
             report.evaluations.size(), report.runs.size());
}

}  // namespace

void add_report_verb(CLI::App& app) {
  const auto options = std::make_shared<ReportOptions>();
  CLI::App* verb =
      app.add_subcommand("report", "Evaluations and training runs as one HTML page to look at");
  verb->add_option("FOLDER", options->folders,
                   "evaluation folders of `tandem eval --output` and run folders, in any order")
      ->required()
      ->check(CLI::ExistingDirectory);
  verb->add_option("--dataset", options->dataset,
                   "data set folder; with it metrics are drawn against the history's length");
  verb->add_option("--output", options->output, "the page")->capture_default_str();
  verb->add_option("--title", options->title, "its heading")->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->footer(
      "The page is one file that loads nothing: metrics with intervals, Recall against the "
      "cut-off,\n"
      "NDCG against the history's length, curves of training.");
  verb->callback([options] { write_report(*options); });
}

}  // namespace tandem
