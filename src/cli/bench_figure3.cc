// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <string>

#include "cli/bench_verbs.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/machine.h"
#include "models/llama_init.h"
#include "offline/figure3.h"

namespace tandem {
namespace {

struct Figure3BenchOptions : Figure3Options {
  std::string preset = "small", model;
  int threads = 0;
  bool json = false;
};

// A folder of this run's own, removed at its end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (fs::temp_directory_path() / "tandem-figure3-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      throw IoError("{}: cannot make a folder there", fs::temp_directory_path().string());
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

engine::Llama random_model(const Figure3BenchOptions& options, ThreadPool& pool) {
  LlamaConfig config = llama_preset(options.preset);
  config.max_positions = std::max(config.max_positions, figure3_positions(options));
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "model";
  write_random_llama(config, {.seed = options.seed}, folder, pool);
  return engine::Llama(folder);  // its mapping outlives the files
}

void run_figure3(const Figure3BenchOptions& options) {
  const InterruptGuard guard;
  options.validate();
  ThreadPool pool(options.threads);
  const engine::Llama model =
      options.model.empty() ? random_model(options, pool) : engine::Llama(fs::path(options.model));
  const std::vector<Figure3Row> rows = measure_figure3(model, options, pool);
  const std::string name = options.model.empty() ? "random " + options.preset : options.model;
  if (options.json) {
    Json list = Json::array();
    for (const Figure3Row& row : rows)
      list.push_back({{"title_tokens", row.title_tokens},
                      {"prompt_tokens", row.prompt_tokens},
                      {"written_tokens", row.written_tokens},
                      {"verbalizer_seconds", row.verbalizer_seconds},
                      {"generation_seconds", row.generation_seconds},
                      {"generation_over_verbalizer", row.ratio()}});
    fmt::print("{}\n", Json{{"cpu", describe_machine().cpu_name},
                            {"model", name},
                            {"parameters", model.config().num_parameters()},
                            {"threads", pool.size()},
                            {"history", options.history},
                            {"candidates", options.candidates},
                            {"repeats", options.repeats},
                            {"seed", options.seed},
                            {"rows", list}}
                           .dump(2));
    return;
  }
  fmt::print("{}, {:.1f} M parameters, {} threads, {}\n", name,
             static_cast<double>(model.config().num_parameters()) / 1e6, pool.size(),
             describe_machine().cpu_name);
  fmt::print("Seconds a prompt, {} items of history, {} candidates, median of {}:\n\n",
             options.history, options.candidates, options.repeats);
  fmt::print("{:>12} {:>13} {:>14} {:>15} {:>15} {:>8}\n", "title tokens", "prompt tokens",
             "written tokens", "by letters, s", "by writing, s", "ratio");
  for (const Figure3Row& row : rows)
    fmt::print("{:>12} {:>13} {:>14} {:>15.4f} {:>15.4f} {:>7.1f}x\n", row.title_tokens,
               row.prompt_tokens, row.written_tokens, row.verbalizer_seconds,
               row.generation_seconds, row.ratio());
}

}  // namespace

void add_figure3_bench(CLI::App& bench) {
  const auto options = std::make_shared<Figure3BenchOptions>();
  CLI::App* verb = bench.add_subcommand(
      "figure3", "Ranking by letters (one pass) against writing the ranked list, by title length");
  verb->add_option("--preset", options->preset, "shape of a random model, as of `model init`")
      ->capture_default_str();
  verb->add_option("--model", options->model, "a model folder or GGUF file in its place")
      ->check(CLI::ExistingPath);
  verb->add_option("--title-tokens", options->title_tokens, "title lengths to measure")
      ->delimiter(',');
  verb->add_option("--history", options->history, "items of the history")->capture_default_str();
  verb->add_option("--candidates", options->candidates, "titles to rank")->capture_default_str();
  verb->add_option("--repeats", options->repeats, "times each is measured")->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors")->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->callback([options] { run_figure3(*options); });
}

}  // namespace tandem
