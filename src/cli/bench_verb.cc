// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/bench_verbs.h"
#include "cli/retriever_options.h"
#include "cli/verbs.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/machine.h"
#include "core/rng.h"
#include "engine/incremental_retriever.h"
#include "engine/kernels/gemm.h"
#include "models/retriever_family.h"
#include "offline/full_ranking.h"
#include "rank/catalogue.h"

namespace tandem {
namespace {

struct TrainingBenchOptions {
  learn::TrainRequest request{.verb = "train retriever"};
  int64_t steps = 40;
  bool json = false;
};

struct BenchOptions {
  std::string run, dataset;
  int64_t max_length = RetrieverModelConfig{}.max_length;
  int threads = 0;
  bool json = false;
};

// Seconds of the fastest of several calls: other work on the machine only ever adds.
double fastest(int times, const std::function<void()>& work) {
  double best = 1e30;
  for (int i = 0; i < times; ++i) {
    const Stopwatch watch;
    work();
    best = std::min(best, watch.seconds());
  }
  return best;
}

// The machine's float32 ceiling a core, as far as a large product on oneDNN shows it.
double sgemm_gflops() {
  constexpr int64_t kSize = 768;
  const std::vector<float> a(kSize * kSize, 0.5f), b(kSize * kSize, 0.25f);
  std::vector<float> c(kSize * kSize);
  const double seconds = fastest(8, [&] {
    engine::sgemm(false, false, kSize, kSize, kSize, 1, a.data(), kSize, b.data(), kSize, 0,
                  c.data(), kSize);
  });
  return 2e-9 * kSize * kSize * kSize / seconds;
}

void run_bench(const BenchOptions& options) {
  const Machine machine = describe_machine();
  const double ceiling = sgemm_gflops();
  Json result = {{"cpu", machine.cpu_name}, {"sgemm_gflops_per_core", ceiling}};
  if (!options.run.empty()) {
    const Dataset dataset = Dataset::open(options.dataset);
    const auto retriever =
        open_retriever(options.run, dataset, {.max_length = options.max_length}).retriever;
    ThreadPool pool(options.threads);
    std::vector<engine::History> histories;
    int64_t positions = 0;
    for (int64_t user = 0; user < std::min<int64_t>(dataset.num_users(), 2048); ++user) {
      histories.push_back(dataset.items(user));
      positions += std::min(std::ssize(histories.back()),
                            static_cast<std::ptrdiff_t>(retriever->max_length()));
    }
    if (histories.empty()) throw DataError("{}: no users to measure with", options.dataset);
    const double users = static_cast<double>(histories.size()),
                 width = static_cast<double>(retriever->width());
    const double states = fastest(3, [&] { retriever->hidden(histories, pool); });
    const double all =
        fastest(3, [&] { retriever->top_k(histories, 20, engine::SeenItems::kWindow, pool); });
    // The last block's output and feed-forward of all but the last position are left out, so this
    // is an upper bound.
    const double work = retriever->flops_per_position() * static_cast<double>(positions) +
                        2 * width * static_cast<double>(retriever->num_items() + 1) * users;
    result["model"] = retriever->describe();
    result["threads"] = pool.size();
    result["users"] = histories.size();
    result["positions"] = positions;
    result["states_users_per_second"] = users / states;
    result["top20_users_per_second"] = users / all;
    result["top20_gflops"] = 1e-9 * work / all;
    result["share_of_ceiling"] =
        1e-9 * work / all / (ceiling * std::min(pool.size(), machine.processors));
    if (const engine::IncrementalRetriever* stepped = retriever->incremental()) {
      constexpr size_t kSteps = 2000;
      std::vector<float> hidden(retriever->width());
      std::vector<int32_t> items;
      for (int32_t item = 1; item <= retriever->num_items(); ++item)
        if (retriever->knows(item)) items.push_back(item);
      const double steps = fastest(3, [&] {
        engine::UserState state = stepped->new_state();
        for (size_t i = 0; i < kSteps; ++i)
          stepped->step(state, items[i % items.size()], hidden.data());
      });
      result["step_microseconds"] = 1e6 * steps / kSteps;
    }
  }
  result["peak_memory_bytes"] = peak_memory_bytes();
  if (options.json) {
    fmt::print("{}\n", result.dump(2));
    return;
  }
  fmt::print("CPU                        {}\n", machine.cpu_name);
  fmt::print("float32 ceiling            {:.0f} GFLOP/s a core (oneDNN, 768^3)\n", ceiling);
  if (!options.run.empty()) {
    fmt::print("model                      {}\n", result["model"].dump());
    fmt::print("histories to states        {:.0f} users/s on {} threads ({} users, {} positions)\n",
               result["states_users_per_second"].get<double>(), result["threads"].get<int>(),
               result["users"].get<int64_t>(), result["positions"].get<int64_t>());
    fmt::print(
        "histories to top 20        {:.0f} users/s, {:.0f} GFLOP/s, {:.0f} % of the ceiling\n",
        result["top20_users_per_second"].get<double>(), result["top20_gflops"].get<double>(),
        100 * result["share_of_ceiling"].get<double>());
    if (result.contains("step_microseconds"))
      fmt::print("one interaction            {:.1f} us, whatever the history's length\n",
                 result["step_microseconds"].get<double>());
  }
  fmt::print("peak memory                {:.0f} MiB\n",
             static_cast<double>(peak_memory_bytes()) / (1 << 20));
}

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

void add_bench_verb(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Throughput against what the machine can do");
  bench->require_subcommand(1);
  add_training_bench(*bench);
  add_figure3_bench(*bench);
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* verb = bench->add_subcommand(
      "retriever", "The engine on a retriever: users a second, time of one step");
  CLI::Option* run = verb->add_option("--run", options->run,
                                      "a run folder or checkpoint; without it, the ceiling alone");
  CLI::Option* dataset =
      verb->add_option("--dataset", options->dataset, "histories to measure with");
  run->needs(dataset);
  add_max_length_option(*verb, options->max_length);
  verb->add_option("--threads", options->threads, "0: all processors")->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->callback([options] { run_bench(*options); });
}

}  // namespace tandem
