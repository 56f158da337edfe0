// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "core/plural.h"
#include "data/dataset.h"
#include "eval/report/report.h"
#include "formats/run_folder.h"
#include "offline/beyond.h"

namespace tandem {
namespace {

struct ReportOptions {
  std::vector<std::string> folders;
  std::string dataset, output = "report.html", title = "Tandem report";
  int threads = 0;
  bool overwrite = false;
};

// The systems in the order in which they were evaluated.
size_t order_of(const BeyondUtility& beyond, const fs::path& system) {
  size_t at = 0;
  while (at < beyond.lists.size() && beyond.lists[at].system != system.filename()) ++at;
  return at;
}

// "runs/a/" is a, and so is one of its evaluations, "runs/a/all/letters".
std::string name_of(const fs::path& folder) {
  fs::path path = fs::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string above = path.parent_path().filename().string();
  if (above == "all" || above == "subset") path = path.parent_path().parent_path();
  return path.filename().string();
}

// Once, although "a" and "a/all/letters" may both be given.
void add_evaluation(const fs::path& folder, std::set<fs::path>& known, Report& report) {
  if (known.insert(fs::canonical(folder)).second)
    report.evaluations.push_back(read_evaluation(folder));
}

// An evaluation, the output of an evaluation of two stages, or a training run.
void add_folder(const fs::path& folder, std::set<fs::path>& known, Report& report) {
  const bool beyond = fs::exists(folder / kBeyondFile);
  if (beyond) report.beyond.push_back(read_beyond(folder / kBeyondFile));
  if (fs::exists(folder / "ranks.tsv")) {
    add_evaluation(folder, known, report);
  } else if (beyond) {
    for (const char* users : {"all", "subset"}) {
      std::vector<fs::path> systems;
      if (fs::is_directory(folder / users)) {
        for (const auto& entry : fs::directory_iterator(folder / users))
          systems.push_back(entry.path());
      }
      std::ranges::sort(systems, [&](const fs::path& a, const fs::path& b) {
        return order_of(report.beyond.back(), a) < order_of(report.beyond.back(), b);
      });
      for (const fs::path& system : systems) add_evaluation(system, known, report);
    }
  } else {
    if (!fs::exists(folder / "run.json"))
      throw UsageError(
          "{}: is neither what `tandem eval --output` writes nor a training run{}", folder.string(),
          fs::exists(folder / "results.json") ? "; a study's page is its report.html" : "");
    const RunFolder run = RunFolder::open(folder);
    report.runs.push_back({.name = name_of(folder), .info = run.info(), .lines = run.metrics()});
  }
}

// Two evaluations of one name are told apart by the folders they were given as.
void tell_apart(std::vector<Evaluation>& evaluations, const std::vector<std::string>& origins) {
  std::vector<std::string> names;
  for (size_t i = 0; i < evaluations.size(); ++i) {
    const auto twin = [&](size_t j) {
      return j != i && evaluations[j].system == evaluations[i].system && origins[j] != origins[i];
    };
    bool twins = false;
    for (size_t j = 0; j < evaluations.size(); ++j) twins = twins || twin(j);
    names.push_back(twins ? fmt::format("{} ({})", evaluations[i].system, origins[i])
                          : evaluations[i].system);
  }
  for (size_t i = 0; i < evaluations.size(); ++i) evaluations[i].system = names[i];
}

void write_report(const ReportOptions& options) {
  std::vector<fs::path> inputs(options.folders.begin(), options.folders.end());
  inputs.emplace_back(options.dataset);
  const Output output(options.output, kReportPage, options.overwrite, inputs);
  Report report{.title = options.title};
  std::vector<std::string> origins;  // of the evaluations
  std::set<fs::path> known;
  for (const fs::path folder : options.folders) {
    add_folder(folder, known, report);
    origins.resize(report.evaluations.size(), name_of(folder));
  }
  tell_apart(report.evaluations, origins);
  if (!options.dataset.empty()) {
    const Dataset dataset = Dataset::open(options.dataset);
    for (const Evaluation& evaluation : report.evaluations) {
      report.history_lengths.push_back(history_lengths(evaluation, dataset));
    }
  }
  ThreadPool pool(options.threads);
  write_file(output.path(), html_report(report, pool));
  fmt::print("wrote {}: {}, {}\n", options.output,
             counted(std::ssize(report.evaluations), "evaluation"),
             counted(std::ssize(report.runs), "training run"));
}

}  // namespace

void add_report_verb(CLI::App& app) {
  const auto options = std::make_shared<ReportOptions>();
  CLI::App* verb =
      app.add_subcommand("report", "Evaluations and training runs as one HTML page to look at");
  verb->add_option(
          "FOLDER", options->folders,
          "folders of `tandem eval --output`, evaluations in them, and run folders, in any order")
      ->required()
      ->check(CLI::ExistingDirectory);
  verb->add_option("--dataset", options->dataset,
                   "data set folder; with it metrics are drawn against the history's length");
  verb->add_option("--output", options->output, "the page")->capture_default_str();
  verb->add_flag("--overwrite", options->overwrite, "replace a report that is there");
  verb->add_option("--title", options->title, "its heading")->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->footer(
      "The page is one file that loads nothing: metrics with intervals, Recall against the "
      "cut-off, NDCG against the history's length, what goes beyond accuracy, examples, curves of "
      "training.");
  verb->callback([options] { write_report(*options); });
}

}  // namespace tandem
