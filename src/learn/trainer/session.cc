// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/session.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "core/error.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/progress.h"
#include "learn/trainer/memory_forecast.h"

namespace tandem::learn {
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

int environment_number(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : fallback;
}

// Of the group, those on this machine.
int local_processes() { return std::max(1, environment_number("OMPI_COMM_WORLD_LOCAL_SIZE", 1)); }

int own_threads(const TrainRequest& request) {
  if (request.threads > 0) return request.threads;
  return std::max(1, available_processors() / local_processes());
}

std::vector<fs::path> paths_read(const TrainRequest& request) {
  std::vector<fs::path> paths;
  for (const auto& [name, path] : request.inputs) paths.push_back(path);
  paths.push_back(request.config);
  return paths;
}

void check_verb(const fs::path& run, const std::string& verb) {
  const fs::path path = run / "run.json";
  const auto found = json_get<std::string>(read_json(path), "verb", path.string());
  if (found != verb)
    throw UsageError("{}: is a run of `tandem {}`; `tandem {} --resume` cannot go on with it",
                     run.string(), found, verb);
}

}  // namespace

int cuda_devices() {
  load_cuda_once();
  return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
}

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

void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

void read_config(ConfigSchema& schema, const TrainRequest& request) {
  if (!request.config.empty()) schema.load_yaml(request.config);
  for (const std::string& assignment : request.assignments) schema.set(assignment);
}

Session::Session(const TrainRequest& request, ProcessGroup& group)
    : request_(request),
      group_(group),
      resuming_(request.resume && fs::exists(request.output / "run.json")),
      device_(check_device(request.device, environment_number("OMPI_COMM_WORLD_LOCAL_RANK", 0))),
      threads_(own_threads(request)),
      pool_(threads_) {
  if (request.resume && request.overwrite) {
    throw UsageError("--resume and --overwrite contradict each other");
  }
  if (first() && !resuming_)
    output_.emplace(request.output, kRunFolder, request.overwrite, paths_read(request));
  if (!first()) {
    set_progress_enabled(false);
    spdlog::set_level(spdlog::level::warn);
  }
  if (resuming_) check_verb(request.output, request.verb);
  const bool replacing = request.overwrite && fs::exists(request.output / "run.json");
  if (first() && (resuming_ || replacing) && !request.dry_run) old_lock_.emplace(request.output);
  at::set_num_threads(threads_);
  keep_freed_memory();
}

void Session::read_config(ConfigSchema schema) {
  if (resuming_) {
    schema.load_yaml(request_.output / "config.yaml");
    began_with_ = schema.values();
  }
  learn::read_config(schema, request_);
}

void Session::check_config(const ConfigSchema& schema) {
  if (resuming_) changed_ = schema.changes_since(began_with_, request_.output.string());
}

bool Session::announce(const TrainingTask& task, const TrainOptions& options) {
  const TrainingLength length = options.length(task.num_samples());
  const TrainingMemory memory = forecast_memory(task, options, group_.size());
  const int64_t available = available_memory_bytes();
  if (request_.dry_run && first()) {
    const int64_t validations = length.total_steps / options.valid_every + 1 +
                                (length.total_steps % options.valid_every == 0 ? 0 : 1);
    fmt::print("samples     {}\n", task.num_samples());
    fmt::print("steps       {}{}, {} an epoch\n", options.patience > 0 ? "at most " : "",
               length.total_steps, length.steps_per_epoch);
    fmt::print("validation  {}, {}{} times\n", task.validated_on(),
               options.patience > 0 ? "at most " : "", validations);
    fmt::print("memory      {}\n", memory.describe());
    if (available > 0) fmt::print("available   {}\n", format_bytes(available));
  } else {
    spdlog::info("memory: {}", memory.describe());
  }
  if (available > 0 && device_ == "cpu" && memory.still_needed() * local_processes() > available)
    spdlog::warn("{} are available, {} more are needed: the system may end this training",
                 format_bytes(available), format_bytes(memory.still_needed() * local_processes()));
  return !request_.dry_run;
}

RunFolder* Session::open_folder(RunInfo info, const std::string& config_yaml) {
  group_.barrier();  // all have read the old configuration
  if (!first()) return nullptr;
  info.verb = request_.verb;
  info.extra["device"] = device_;
  info.extra["threads"] = threads_;
  info.extra["processes"] = group_.size();
  info.extra["libtorch"] = TORCH_VERSION;
  if (!resuming_) {
    folder_ = RunFolder::create(*output_, info, config_yaml);
    return &*folder_;
  }
  folder_ = RunFolder::go_on(request_.output, std::move(*old_lock_), info, config_yaml, changed_);
  if (!folder_->changed().empty())
    spdlog::info("{}: goes on with other settings: {}", request_.output.string(),
                 describe_changes(folder_->changed()));
  return &*folder_;
}

void Session::train(Trainer& trainer, const TrainOptions& options) {
  if (resuming_) trainer.resume(request_.output);
  trainer.run();
  if (!folder_) return;
  const TrainerState& state = trainer.state();
  Json run = folder_->info();
  run["result"] = {{"steps", state.step},
                   {"best_step", state.best_step},
                   {"metric", options.metric},
                   {"best", state.best},
                   {"untrained", state.best_step == 0},
                   {"early_stopped", state.stopped},
                   {"seconds", watch_.seconds()},
                   {"samples_per_second", trainer.samples_per_second()},
                   {"peak_memory_bytes", peak_memory_bytes()},
                   {"finished", utc_now()}};
  write_json(folder_->path() / "run.json", run);
  if (state.best_step == 0)
    spdlog::warn(
        "{}: no validation after a step was better than the one before the first ({} {:.4f}): what "
        "this run delivers is untrained. Try another train.lr, more steps, or other data",
        folder_->path().string(), options.metric, state.best);
  spdlog::info("{}: {} {:.4f} of step {}, {:.1f} samples/s, {}", folder_->path().string(),
               options.metric, state.best, state.best_step, trainer.samples_per_second(),
               format_duration(watch_.seconds()));
}

}  // namespace tandem::learn
