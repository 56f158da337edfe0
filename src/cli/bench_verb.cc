// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/bench_verbs.h"
#include "cli/verbs.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/machine.h"
#include "engine/kernels/gemm.h"
#include "models/retriever_family.h"

namespace tandem {
namespace {

struct TrainingBenchOptions {
  learn::TrainRequest request{.verb = "train retriever"};
  int64_t steps = 40;
  bool json = false;
};

// A step is three forward passes' worth of products (backward counts two), each scoring every item
// at every label.
double training_flops(const learn::TrainingSpeed& speed) {
  const double scoring =
      2 * static_cast<double>(speed.model.width) * static_cast<double>(speed.model.num_items + 1);
  const double blocks = retriever_family(speed.model.model_type).flops_per_position(speed.model);
  return 3 * (blocks + scoring) * static_cast<double>(speed.labels);
}

void run_training_bench(const TrainingBenchOptions& options) {
  learn::Learn& learn = load_learn();
  const Machine machine = describe_machine();
  const double ceiling = sgemm_gflops();
  const learn::TrainingSpeed speed = learn.bench_retriever(options.request, options.steps);
  const double gflops = 1e-9 * training_flops(speed) / speed.seconds;
  const double share = gflops / (ceiling * std::min(speed.threads, machine.processors));
  const double samples = static_cast<double>(speed.rows) / speed.seconds;
  if (options.json) {
    fmt::print("{}\n", Json{{"cpu", machine.cpu_name},
                            {"sgemm_gflops_per_core", ceiling},
                            {"model", speed.model.to_json()},
                            {"parameters", speed.parameters},
                            {"device", options.request.device},
                            {"threads", speed.threads},
                            {"steps", speed.steps},
                            {"rows", speed.rows},
                            {"labels", speed.labels},
                            {"training_samples_per_second", samples},
                            {"training_gflops", gflops},
                            {"share_of_ceiling", share},
                            {"peak_memory_bytes", peak_memory_bytes()}}
                           .dump(2));
    return;
  }
  fmt::print("CPU                        {}\n", machine.cpu_name);
  fmt::print("float32 ceiling            {:.0f} GFLOP/s a core (oneDNN, 768^3)\n", ceiling);
  fmt::print("model                      {}\n", speed.model.to_json().dump());
  fmt::print("training                   {:.0f} samples/s on {} threads ({} steps, {} labels)\n",
             samples, speed.threads, speed.steps, speed.labels);
  fmt::print("products of the model      {:.0f} GFLOP/s, {:.0f} % of the ceiling\n", gflops,
             100 * share);
  fmt::print("peak memory                {:.0f} MiB\n",
             static_cast<double>(peak_memory_bytes()) / (1 << 20));
}

void add_training_bench(CLI::App& bench) {
  const auto options = std::make_shared<TrainingBenchOptions>();
  learn::TrainRequest& request = options->request;
  CLI::App* verb = bench.add_subcommand(
      "training", "Steps of `train retriever`: samples a second, share of the ceiling, memory");
  verb->add_option("--dataset", request.inputs["dataset"], "data set folder to train on")
      ->required();
  verb->add_option("-c,--config", request.config, "YAML file of `train retriever`")
      ->check(CLI::ExistingFile);
  verb->add_option("--set", request.assignments, "KEY=VALUE of `train retriever`; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--steps", options->steps, "timed steps, after five that are not")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  verb->add_option("--device", request.device, "cpu, cuda or cuda:N")->capture_default_str();
  verb->add_option("--threads", request.threads, "0: all processors")->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->callback([options] { run_training_bench(*options); });
}

}  // namespace

double fastest(int times, const std::function<void()>& work) {
  double best = 1e30;
  for (int i = 0; i < times; ++i) {
    const Stopwatch watch;
    work();
    best = std::min(best, watch.seconds());
  }
  return best;
}

double sgemm_gflops() {
  constexpr int64_t kSize = 768;
  const std::vector<float> a(kSize * kSize, 0.5f), b(kSize * kSize, 0.25f);
  std::vector<float> c(kSize * kSize);
  const double seconds = fastest(32, [&] {
    engine::sgemm(false, false, kSize, kSize, kSize, 1, a.data(), kSize, b.data(), kSize, 0,
                  c.data(), kSize);
  });
  return 2e-9 * kSize * kSize * kSize / seconds;
}

void add_bench_verb(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Throughput against what the machine can do");
  bench->require_subcommand(1);
  add_training_bench(*bench);
  add_figure3_bench(*bench);
  add_retriever_bench(*bench);
}

}  // namespace tandem
