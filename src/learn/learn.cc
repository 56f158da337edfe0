// SPDX-License-Identifier: Apache-2.0
#include "learn/learn.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <torch/headeronly/version.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

#include "core/error.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "learn/distributed/process_group.h"
#include "learn/pretrain/pretrain_config.h"
#include "learn/ranker/ranker_config.h"
#include "learn/retriever/model_factory.h"
#include "learn/retriever/retriever_config.h"
#include "learn/retriever/retriever_task.h"
#include "learn/trainer/session.h"

namespace tandem::learn {
namespace {

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

// What libtorch and the system throw, as one line for people.
template <typename Work>
void with_plain_errors(const char* saves_memory, const Work& work) {
  const auto out_of_memory = [&](std::string_view found) {
    return Error(ExitCode::kFailure, fmt::format("out of memory{}{}; what lowers it: {}",
                                                 found.empty() ? "" : ": ", found, saves_memory));
  };
  try {
    work();
  } catch (const std::bad_alloc&) {
    throw out_of_memory("");
  } catch (const IoError& error) {  // a file that cannot be mapped
    if (std::string_view(error.what()).find(std::strerror(ENOMEM)) == std::string_view::npos) throw;
    throw out_of_memory(error.what());
  } catch (const c10::Error& error) {
    const std::string text = first_line(error.what_without_backtrace());
    const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                        text.find("can't allocate memory") != std::string::npos;
    if (memory) throw out_of_memory(text);
    throw Error(ExitCode::kFailure, "libtorch: " + text);
  }
}

constexpr const char* kRetrieverSaves =
    "a smaller train.batch (with train.accumulate raised the result is the same), "
    "model.max_length or model.width";
constexpr const char* kRankerSaves =
    "a smaller train.batch (with train.accumulate raised the result is the same), "
    "model.checkpoint_layers=true, model.tuning=qlora or lora, model.precision=bfloat16, a smaller "
    "prompt.max_tokens";
constexpr const char* kPretrainSaves =
    "a smaller train.batch (with train.accumulate raised the result is the same), "
    "model.checkpoint_layers=true, model.precision=bfloat16, a smaller data.block";

// An error on one process ends all, which else would wait for it for ever.
template <typename Work>
void run_on_all(const char* saves_memory, const Work& work) {
  ProcessGroup& group = world();
  try {
    with_plain_errors(saves_memory, [&] { work(group); });
  } catch (const Interrupted&) {
    throw;  // on every process at the same step
  } catch (const std::exception& error) {
    if (group.size() == 1) throw;
    const auto* known = dynamic_cast<const Error*>(&error);
    fmt::print(stderr, "tandem: process {}: {}\n", group.rank(), error.what());
    group.abort(static_cast<int>(known != nullptr ? known->exit_code() : ExitCode::kFailure));
  }
}

template <typename Config>
std::string help_of() {
  Config config;
  return config.schema().help();
}

class LearnOnLibtorch : public Learn {
 public:
  std::string libtorch_version() const override { return TORCH_VERSION; }

  std::vector<std::string> devices() const override {
    std::vector<std::string> names{"cpu"};
    for (int i = 0; i < cuda_devices(); ++i) names.push_back(fmt::format("cuda:{}", i));
    return names;
  }

  std::string config_help(const std::string& verb) const override {
    if (verb == "train ranker") return help_of<RankerConfig>();
    if (verb == "pretrain") return help_of<PretrainConfig>();
    return help_of<RetrieverConfig>();
  }

  void train_retriever(const TrainRetrieverRequest& request) override {
    run_on_all(kRetrieverSaves,
               [&](ProcessGroup& group) { learn::train_retriever(request, group); });
  }
  void train_ranker(const TrainRankerRequest& request) override {
    run_on_all(kRankerSaves, [&](ProcessGroup& group) { learn::train_ranker(request, group); });
  }
  void pretrain(const PretrainRequest& request) override {
    run_on_all(kPretrainSaves, [&](ProcessGroup& group) { learn::pretrain(request, group); });
  }

  TrainingSpeed bench_retriever(const TrainRetrieverRequest& request, int64_t steps) override {
    TrainingSpeed speed;
    with_plain_errors(kRetrieverSaves, [&] { speed = time_retriever(request, steps); });
    return speed;
  }

 private:
  static TrainingSpeed time_retriever(const TrainRetrieverRequest& request, int64_t steps) {
    constexpr int64_t kWarmUpSteps = 5;  // buffers grow, kernels are chosen
    const std::string device = check_device(request.device, 0);
    const int threads = request.threads > 0 ? request.threads : available_processors();
    at::set_num_threads(threads);
    keep_freed_memory();
    ThreadPool pool(threads);
    RetrieverConfig config;
    ConfigSchema schema = config.schema();
    read_config(schema, request);
    const Dataset dataset = Dataset::open(request.dataset);
    config.resolve(dataset);
    const auto model = make_retriever(config, dataset.num_items(), device);
    ProcessGroup& group = world();
    if (group.size() > 1) throw UsageError("bench measures one process; start it without mpirun");
    const auto objective = make_objective(config, dataset.num_items());
    RetrieverTask task(*model, *objective, dataset, config);
    Trainer trainer(task, config, nullptr, group, pool);
    trainer.time_steps(kWarmUpSteps);
    const Trainer::Timing timing = trainer.time_steps(steps);
    return {.model = retriever_model_config(config, dataset),
            .parameters = count_reals(model->parameters()),
            .steps = steps,
            .rows = timing.samples,
            .labels = timing.labels,
            .seconds = timing.seconds,
            .threads = threads};
  }
};

}  // namespace

extern "C" Learn* tandem_learn(ProcessState& program) {
  share_process_state(program);
  static LearnOnLibtorch learn;
  return &learn;
}

}  // namespace tandem::learn
