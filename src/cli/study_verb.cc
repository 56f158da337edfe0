// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/verbs.h"
#include "core/clock.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/log.h"
#include "study/process.h"
#include "study/run_steps.h"
#include "study/study.h"

namespace tandem {
namespace {

struct StudyOptions {
  std::string file, output;
  std::vector<int64_t> seeds;
  int threads = 0;
  bool resume = false, json = false, steps = false;
};

void list_steps(const StudyPlan& plan) {
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    fmt::print("{:>4}  {:<8} {}\n", i + 1, is_finished(step) ? "done" : "to do", step.name);
  }
}

void run_study(const StudyOptions& options) {
  const InterruptGuard guard;
  StudyConfig config = read_study_config(options.file);
  if (!options.seeds.empty()) config.seeds = options.seeds;
  const fs::path output = options.output;
  const StudyPlan plan = make_study_plan(config, output);
  if (options.steps) return list_steps(plan);

  if (fs::exists(output / "steps") && !options.resume)
    throw UsageError("{}: there is a study already; --resume goes on with it", output.string());
  std::error_code error;
  fs::create_directories(output, error);
  if (error) throw IoError("{}: {}", output.string(), error.message());
  const FolderLock lock(output);
  write_file(output / "study.yaml", config.text);
  const Stopwatch watch;
  const int threads = options.threads > 0 ? options.threads : static_cast<int>(config.threads);
  run_steps(plan, {.program = "/proc/self/exe", .threads = threads});

  ThreadPool pool(threads);
  const StudyResult result = make_study_result(config, plan, pool);
  write_json(output / "results.json", result.to_json());
  write_file(output / "report.html", result.html());
  if (options.json) {
    fmt::print("{}\n", result.to_json().dump(2));
  } else {
    fmt::print("{}", result.text());
    fmt::print("written: {0}/results.json, {0}/report.html; {1} steps, {2} of CPU time; now {3}\n",
               output.string(), plan.steps.size(), format_duration(cpu_seconds(plan)),
               format_duration(watch.seconds()));
  }
}

}  // namespace

void add_study_verb(CLI::App& app) {
  const auto options = std::make_shared<StudyOptions>();
  CLI::App* verb = app.add_subcommand(
      "study", "Compare several systems fairly: from one file with the arms to a table");
  verb->add_option("FILE", options->file, "YAML file with data sets, seeds and arms")
      ->required()
      ->check(CLI::ExistingFile);
  verb->add_option("--output", options->output, "folder for steps, results.json and report.html")
      ->required();
  verb->add_flag("--resume", options->resume,
                 "go on with the study in the folder; finished steps that did not change are kept");
  verb->add_option("--seeds", options->seeds, "instead of the file's, with commas")->delimiter(',');
  verb->add_flag("--steps", options->steps, "list the steps and run nothing");
  verb->add_option("--threads", options->threads, "of every step; 0: as the file says, or all")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->footer(
      "The arms are pipelines of the other verbs; each step is one run of this program, and arms "
      "that need the same step share it. Before the table is printed it is shown that all arms "
      "read the same data, candidates, training samples, titles and prompts; otherwise the "
      "differences are listed and the exit code is 3. docs/study.md explains the file; "
      "examples/swap.yaml and examples/table1.yaml are "
      "whole ones:\n\n"
      "  tandem study examples/swap.yaml --output out/swap\n"
      "  tandem study examples/swap.yaml --output out/swap --resume\n\n"
      "(the second goes on after an interruption).");
  verb->callback([options] { run_study(*options); });
}

}  // namespace tandem
