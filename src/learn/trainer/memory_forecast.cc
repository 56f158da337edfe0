// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/memory_forecast.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/machine.h"

namespace tandem::learn {
namespace {

// Adds up what libtorch's allocators report of this thread.
class TensorBytes : public c10::MemoryReportingInfoBase {
 public:
  bool memoryProfilingEnabled() const override { return true; }
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    held_ += bytes;
    peak_ = std::max(peak_, held_);
  }
  int64_t peak() const { return peak_; }

 private:
  int64_t held_ = 0, peak_ = 0;
};

// The longest sample of up to kLookAt all over the data.
int64_t longest_sample(const TrainingTask& task) {
  constexpr int64_t kLookAt = 100'000;
  const int64_t stride = 1 + task.num_samples() / kLookAt;
  int64_t longest = 0;
  for (int64_t sample = 0; sample < task.num_samples(); sample += stride)
    if (task.length(sample) > task.length(longest)) longest = sample;
  return longest;
}

int64_t step_bytes(const TrainingTask& task, int64_t sample, int64_t samples) {
  const std::vector<int64_t> chosen(samples, sample);
  return peak_tensor_bytes([&] {
    task.add_gradients({.samples = chosen, .begin = 0, .end = samples, .epoch = 0, .step = 0}, 1.0);
  });
}

}  // namespace

int64_t peak_tensor_bytes(const std::function<void()>& work) {
  const auto counter = std::make_shared<TensorBytes>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, counter);
  work();
  return counter->peak();
}

std::string format_bytes(int64_t bytes) {
  const double megabytes = static_cast<double>(bytes) / 1e6;
  if (megabytes >= 1000) return fmt::format("{:.1f} GB", megabytes / 1000);
  return fmt::format("{:.{}f} MB", megabytes, megabytes < 10 ? 1 : 0);
}

int64_t TrainingMemory::total() const {
  return resident + parameters + gradients + optimizer + best + activations;
}

int64_t TrainingMemory::still_needed() const { return gradients + optimizer + best + activations; }

std::string TrainingMemory::describe() const {
  return fmt::format(
      "about {}: trained parameters {}, gradients {}, optimiser {}, best parameters {}, "
      "activations of a micro-batch {}, the rest (base, data, program) {}",
      format_bytes(total()), format_bytes(parameters), format_bytes(gradients),
      format_bytes(optimizer), format_bytes(best), format_bytes(activations),
      format_bytes(resident));
}

TrainingMemory forecast_memory(const TrainingTask& task, const TrainOptions& options,
                               int num_processes) {
  const std::vector<NamedParameter> parameters = task.parameters();
  const int64_t bytes = count_reals(parameters) * static_cast<int64_t>(sizeof(float));
  // The first pass makes the gradients; the others find them there.
  const int64_t longest = longest_sample(task);
  step_bytes(task, longest, 1);
  const int64_t one = step_bytes(task, longest, 1), two = step_bytes(task, longest, 2);
  for (const NamedParameter& parameter : parameters) parameter.value.mutable_grad().reset();
  const int64_t samples =
      (std::min(options.batch, task.num_samples()) + num_processes - 1) / num_processes;
  TrainingMemory memory{.parameters = bytes,
                        .gradients = bytes,
                        .optimizer = 2 * bytes,
                        .best = bytes,
                        .activations = one + std::max<int64_t>(0, two - one) * (samples - 1)};
  memory.resident = std::max<int64_t>(0, resident_memory_bytes() - bytes);
  return memory;
}

}  // namespace tandem::learn
