// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/memory_forecast.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

namespace tandem::learn {
namespace {

// 1000 parameters. A sample of length n holds n buffers of 64 KiB, beside one of 1 MiB for all.
class BufferTask : public TrainingTask {
 public:
  BufferTask() { weight_.set_requires_grad(true); }

  std::vector<NamedParameter> parameters() const override { return {{"w", weight_}}; }
  bool decayed(std::string_view) const override { return false; }
  std::string fingerprint() const override { return ""; }
  int64_t num_samples() const override { return 6; }
  int64_t length(int64_t sample) const override { return sample == 4 ? 3 : 1; }
  int64_t num_labels(std::span<const int64_t> samples, int64_t) const override {
    return std::ssize(samples);
  }
  double add_gradients(const StepPart& part, double weight) const override {
    const at::Tensor common = at::empty({1 << 20}, at::kByte);
    std::vector<at::Tensor> held;
    for (const int64_t sample : part.own())
      for (int64_t i = 0; i < length(sample); ++i) held.push_back(at::empty({1 << 16}, at::kByte));
    const at::Tensor loss = (weight_ * weight).sum();
    loss.backward();
    return loss.item<double>();
  }
  std::string validated_on() const override { return ""; }
  ValidationResult validate(ProcessGroup&, ThreadPool&) const override { return {}; }
  void write_model(const fs::path&, std::span<const NamedParameter>) const override {}

 private:
  at::Tensor weight_ = at::ones({1000});
};

TEST(MemoryForecast, CountsTheTensorsOfThisThreadAtTheirMost) {
  at::Tensor kept;
  const int64_t bytes = peak_tensor_bytes([&] {
    { const at::Tensor gone = at::empty({1 << 20}, at::kByte); }
    kept = at::empty({1 << 18}, at::kFloat);  // 1 MiB again
    const at::Tensor more = at::empty({1 << 10}, at::kByte);
  });
  EXPECT_GE(bytes, (1 << 20) + (1 << 10));
  EXPECT_LT(bytes, (1 << 20) + (1 << 14));
  EXPECT_EQ(peak_tensor_bytes([] {}), 0);
}

TEST(MemoryForecast, AddsUpWhatATrainingHolds) {
  const BufferTask task;
  TrainOptions options;
  options.batch = 4;
  const TrainingMemory memory = forecast_memory(task, options, 1);
  EXPECT_EQ(memory.parameters, 4000);
  EXPECT_EQ(memory.gradients, 4000);
  EXPECT_EQ(memory.optimizer, 8000);
  EXPECT_EQ(memory.best, 4000);
  const double longest = 3 * 65536;  // four of the longest sample, and what all share
  EXPECT_NEAR(static_cast<double>(memory.activations), (1 << 20) + 4 * longest, 32768);
  EXPECT_GT(memory.resident, 1 << 20);
  EXPECT_EQ(memory.still_needed(), 16000 + memory.activations);
  EXPECT_EQ(memory.total(), 20000 + memory.activations + memory.resident);
  EXPECT_FALSE(task.parameters()[0].value.grad().defined()) << "as it was before";

  const TrainingMemory half = forecast_memory(task, options, 2);
  EXPECT_NEAR(static_cast<double>(half.activations), (1 << 20) + 2 * longest, 32768);
  options.batch = 100;  // there are 6 samples
  EXPECT_NEAR(static_cast<double>(forecast_memory(task, options, 1).activations),
              (1 << 20) + 6 * longest, 32768);
}

TEST(MemoryForecast, BytesForPeople) {
  EXPECT_EQ(format_bytes(1'440'000'000), "1.4 GB");
  EXPECT_EQ(format_bytes(310'400'000), "310 MB");
  EXPECT_EQ(format_bytes(2'260'000), "2.3 MB");
}

}  // namespace
}  // namespace tandem::learn
