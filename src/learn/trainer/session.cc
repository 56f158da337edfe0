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

int environment_number(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : fallback;
}

int own_threads(const TrainRequest& request) {
  if (request.threads > 0) return request.threads;
  const int local_processes = environment_number("OMPI_COMM_WORLD_LOCAL_SIZE", 1);
  return std::max(1, available_processors() / std::max(1, local_processes));
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

bool resumes(const TrainRequest& request) {
  return request.resume && fs::exists(request.output / "run.json");
}

void read_config(ConfigSchema schema, const TrainRequest& request) {
  if (resumes(request)) schema.load_yaml(request.output / "config.yaml");
  if (!request.config.empty()) schema.load_yaml(request.config);
  for (const std::string& assignment : request.assignments) schema.set(assignment);
}

Session::Session(const TrainRequest& request, const std::vector<fs::path>& inputs,
                 ProcessGroup& group)
    : request_(request),
      group_(group),
      resuming_(resumes(request)),
      device_(check_device(request.device, environment_number("OMPI_COMM_WORLD_LOCAL_RANK", 0))),
      threads_(own_threads(request)),
      pool_(threads_) {
  if (request.resume && request.overwrite) {
    throw UsageError("--resume and --overwrite contradict each other");
  }
  if (first() && !resuming_) output_.emplace(request.output, kRunFolder, request.overwrite, inputs);
  if (!first()) {
    set_progress_enabled(false);
    spdlog::set_level(spdlog::level::warn);
  }
  at::set_num_threads(threads_);
  keep_freed_memory();
}

RunFolder* Session::open_folder(RunInfo info, const std::string& config_yaml) {
  group_.barrier();  // all have read the old configuration
  if (!first()) return nullptr;
  if (resuming_) {
    folder_ = RunFolder::open(request_.output);
    write_file(folder_->config_path(), config_yaml);
    return &*folder_;
  }
  info.extra["device"] = device_;
  info.extra["threads"] = threads_;
  info.extra["processes"] = group_.size();
  info.extra["libtorch"] = TORCH_VERSION;
  folder_ = RunFolder::create(*output_, info, config_yaml);
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
                   {"early_stopped", state.stopped},
                   {"seconds", watch_.seconds()},
                   {"samples_per_second", trainer.samples_per_second()},
                   {"peak_memory_bytes", peak_memory_bytes()},
                   {"finished", utc_now()}};
  write_json(folder_->path() / "run.json", run);
  spdlog::info("{}: {} {:.4f} of step {}, {:.1f} samples/s, {}", folder_->path().string(),
               options.metric, state.best, state.best_step, trainer.samples_per_second(),
               format_duration(watch_.seconds()));
}

}  // namespace tandem
