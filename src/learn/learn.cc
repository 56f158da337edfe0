// SPDX-License-Identifier: Apache-2.0
#include "learn/learn.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/headeronly/version.h>

#include <climits>
#include <cstdlib>
#include <exception>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "formats/run_folder.h"
#include "learn/distributed/process_group.h"
#include "learn/trainer/model_factory.h"
#include "learn/trainer/retriever_config.h"
#include "learn/trainer/trainer.h"

namespace tandem {
namespace {

// libtorch_cuda.so registers its kernels when it is loaded; it lies beside libtorch_cpu.so where
// there is one.
void load_cuda_once() {
  static const bool tried = [] {
    Dl_info info{};
    if (dladdr(reinterpret_cast<void*>(&at::globalContext), &info) == 0) return false;
    const fs::path library = fs::path(info.dli_fname).parent_path() / "libtorch_cuda.so";
    if (!fs::exists(library)) return false;
    if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      spdlog::warn("{}: cannot be loaded: {}", library.string(), dlerror());
    }
    return true;
  }();
  static_cast<void>(tried);
}

int cuda_devices() {
  load_cuda_once();
  return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
}

// "cpu", or "cuda" as "cuda:N" with an existing N.
std::string check_device(const std::string& device, int local_rank) {
  if (device == "cpu") return device;
  if (device != "cuda" && !device.starts_with("cuda:")) {
    throw UsageError("--device is '{}'; expected cpu, cuda or cuda:N", device);
  }
  const int count = cuda_devices();
  if (count == 0) {
    throw DeviceError(
        "--device {}: no usable CUDA device (a libtorch with CUDA and a driver are needed; "
        "TANDEM_LIBTORCH names another libtorch)",
        device);
  }
  if (device == "cuda") return fmt::format("cuda:{}", local_rank % count);
  const int number = std::atoi(device.c_str() + 5);
  if (number < 0 || number >= count || device != fmt::format("cuda:{}", number)) {
    throw DeviceError("--device {}: this machine has {} CUDA devices", device, count);
  }
  return device;
}

int environment_number(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : fallback;
}

// A step's buffers are as large as the last one's: keep freed memory instead of returning it to the
// system and faulting it in again.
void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

RetrieverConfig read_config(const TrainRetrieverRequest& request, bool resuming) {
  RetrieverConfig config;
  ConfigSchema schema = config.schema();
  if (resuming) schema.load_yaml(request.output / "config.yaml");
  if (!request.config.empty()) schema.load_yaml(request.config);
  for (const std::string& assignment : request.assignments) schema.set(assignment);
  return config;
}

// The stored configuration follows what was asked for on resuming (a higher train.max_steps, say).
RunFolder open_run(const TrainRetrieverRequest& request, RetrieverConfig& config, bool resuming,
                   const Dataset& dataset, const Json& extra) {
  const std::string yaml = config.schema().to_yaml();
  if (resuming) {
    RunFolder folder = RunFolder::open(request.output);
    write_file(folder.config_path(), yaml);
    return folder;
  }
  return RunFolder::create(request.output,
                           {.verb = "train retriever",
                            .seed = static_cast<uint64_t>(config.seed),
                            .dataset_fingerprint = dataset.fingerprint(),
                            .extra = extra},
                           yaml, request.overwrite);
}

void note_result(const RunFolder& folder, const Trainer& trainer, const RetrieverConfig& config,
                 double seconds) {
  Json run = folder.info();
  run["result"] = {{"steps", trainer.state().step},
                   {"best_step", trainer.state().best_step},
                   {"metric", config.metric},
                   {"best", trainer.state().best},
                   {"early_stopped", trainer.state().stopped},
                   {"seconds", seconds},
                   {"rows_per_second", trainer.rows_per_second()},
                   {"peak_memory_bytes", peak_memory_bytes()},
                   {"finished", utc_now()}};
  write_json(folder.path() / "run.json", run);
}

int64_t count_reals(const RetrieverModel& model) {
  int64_t reals = 0;
  for (const NamedParameter& parameter : model.parameters()) reals += parameter.value.numel();
  return reals;
}

class LearnOnLibtorch : public Learn {
 public:
  std::string libtorch_version() const override { return TORCH_VERSION; }

  std::vector<std::string> devices() const override {
    std::vector<std::string> names{"cpu"};
    for (int i = 0; i < cuda_devices(); ++i) names.push_back(fmt::format("cuda:{}", i));
    return names;
  }

  std::string retriever_config_help() const override {
    RetrieverConfig config;
    return config.schema().help();
  }

  void train_retriever(const TrainRetrieverRequest& request) override {
    ProcessGroup& group = world();
    try {
      train(request, group);
    } catch (const Interrupted&) {
      throw;  // on every process at the same step
    } catch (const std::exception& error) {
      if (group.size() == 1) throw;
      const auto* known = dynamic_cast<const Error*>(&error);
      fmt::print(stderr, "tandem: process {}: {}\n", group.rank(), error.what());
      group.abort(static_cast<int>(known != nullptr ? known->exit_code() : ExitCode::kFailure));
    }
  }

  TrainingSpeed bench_retriever(const TrainRetrieverRequest& request, int64_t steps) override {
    constexpr int64_t kWarmUpSteps = 5;  // buffers grow, kernels are chosen
    const std::string device = check_device(request.device, 0);
    const int threads = request.threads > 0 ? request.threads : available_processors();
    at::set_num_threads(threads);
    keep_freed_memory();
    ThreadPool pool(threads);
    RetrieverConfig config = read_config(request, false);
    const Dataset dataset = Dataset::open(request.dataset);
    config.resolve(dataset);
    const auto model = make_retriever(config, dataset.num_items(), device);
    ProcessGroup& group = world();
    if (group.size() > 1) throw UsageError("bench measures one process; start it without mpirun");
    Trainer trainer(*model, dataset, config, nullptr, group, pool);
    trainer.time_steps(kWarmUpSteps);
    const Trainer::Timing timing = trainer.time_steps(steps);
    return {.model = model_config(config, dataset),
            .parameters = count_reals(*model),
            .steps = steps,
            .rows = timing.rows,
            .labels = timing.labels,
            .seconds = timing.seconds,
            .threads = threads};
  }

 private:
  static void train(const TrainRetrieverRequest& request, ProcessGroup& group) {
    const Stopwatch watch;
    if (request.resume && request.overwrite) {
      throw UsageError("--resume and --overwrite contradict each other");
    }
    const bool first = group.rank() == 0;
    if (!first) {
      set_progress_enabled(false);
      spdlog::set_level(spdlog::level::warn);
    }
    const int local_processes = environment_number("OMPI_COMM_WORLD_LOCAL_SIZE", 1);
    const std::string device =
        check_device(request.device, environment_number("OMPI_COMM_WORLD_LOCAL_RANK", 0));
    const int threads = request.threads > 0
                            ? request.threads
                            : std::max(1, available_processors() / std::max(1, local_processes));
    at::set_num_threads(threads);
    keep_freed_memory();
    ThreadPool pool(threads);

    const bool resuming = request.resume && fs::exists(request.output / "run.json");
    RetrieverConfig config = read_config(request, resuming);
    const Dataset dataset = Dataset::open(request.dataset);
    config.resolve(dataset);
    const auto model = make_retriever(config, dataset.num_items(), device);
    const int64_t reals = count_reals(*model);

    group.barrier();  // all have read the old configuration
    std::optional<RunFolder> folder;
    if (first) {
      folder = open_run(request, config, resuming, dataset,
                        {{"dataset", fs::absolute(request.dataset).string()},
                         {"device", device},
                         {"threads", threads},
                         {"processes", group.size()},
                         {"libtorch", TORCH_VERSION},
                         {"parameters", reals}});
    }
    Trainer trainer(*model, dataset, config, folder ? &*folder : nullptr, group, pool);
    spdlog::info("{} with {} parameters on {} ({} processes, {} threads each), at most {} steps",
                 config.model_type, reals, device, group.size(), threads, trainer.total_steps());
    if (resuming) trainer.resume(request.output);
    trainer.run();
    if (first) {
      write_model(folder->path(), config, dataset, model->parameters());
      note_result(*folder, trainer, config, watch.seconds());
      spdlog::info("{}: {} {:.4f} of step {}, {:.1f} rows/s, {}", folder->path().string(),
                   config.metric, trainer.state().best, trainer.state().best_step,
                   trainer.rows_per_second(), format_duration(watch.seconds()));
    }
    group.barrier();
  }
};

}  // namespace

extern "C" Learn* tandem_learn() {
  static LearnOnLibtorch learn;
  return &learn;
}

}  // namespace tandem
