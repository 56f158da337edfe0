// SPDX-License-Identifier: Apache-2.0
#include "learn/llama/weights.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <map>
#include <utility>

#include "core/error.h"
#include "core/rng.h"

namespace tandem {
namespace {

at::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return at::kFloat;
    case DType::kF16:
      return at::kHalf;
    case DType::kBf16:
      return at::kBFloat16;
    default:
      throw FormatError("weights of {}, expected F32, F16 or BF16", dtype_name(dtype));
  }
}

class FolderWeights : public LlamaWeights {
 public:
  explicit FolderWeights(std::shared_ptr<const HfFolder> folder)
      : folder_(std::move(folder)),
        config_(LlamaConfig::from_json(folder_->config(), folder_->config_path().string())) {}

  const LlamaConfig& config() const override { return config_; }

  FrozenWeightPtr frozen(const TensorSpec& spec) const override {
    return dense_weight(mapped(spec));
  }

  at::Tensor copy(const TensorSpec& spec) const override {
    return mapped(spec).to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  }

 private:
  // A tensor in the file, which it keeps mapped. Never written to.
  at::Tensor mapped(const TensorSpec& spec) const {
    const TensorView& view = folder_->weight(spec);
    const at::ScalarType type = scalar_type(view.dtype);
    at::Tensor tensor = at::from_blob(
        const_cast<std::byte*>(view.bytes.data()), view.shape, [folder = folder_](void*) {},
        at::TensorOptions().dtype(type));
    const auto element = static_cast<uintptr_t>(dtype_bytes(view.dtype));
    const bool aligned = reinterpret_cast<uintptr_t>(view.bytes.data()) % element == 0;
    return aligned ? tensor : tensor.clone();
  }

  std::shared_ptr<const HfFolder> folder_;
  LlamaConfig config_;
};

class RandomWeights : public LlamaWeights {
 public:
  RandomWeights(const LlamaConfig& config, uint64_t seed, double stddev)
      : config_(config), seed_(seed), stddev_(stddev) {
    config_.validate("random weights");
    for (const TensorSpec& spec : llama_tensors(config_))
      numbers_.emplace(spec.name, static_cast<uint32_t>(numbers_.size()));
  }

  const LlamaConfig& config() const override { return config_; }

  FrozenWeightPtr frozen(const TensorSpec& spec) const override { return dense_weight(copy(spec)); }

  at::Tensor copy(const TensorSpec& spec) const override {
    const auto number = numbers_.find(spec.name);
    if (number == numbers_.end()) throw FormatError("the model has no tensor '{}'", spec.name);
    at::Tensor tensor = at::empty(spec.shape, at::kFloat);
    if (spec.shape.size() == 1) return tensor.fill_(spec.name.ends_with(".bias") ? 0 : 1);
    float* values = tensor.data_ptr<float>();
    const int64_t columns = spec.shape[1];
    at::parallel_for(0, spec.shape[0], 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        Rng rng(seed_, RngPurpose::kInit, number->second, static_cast<uint64_t>(row));
        for (int64_t c = 0; c < columns; ++c)
          values[row * columns + c] = static_cast<float>(rng.normal() * stddev_);
      }
    });
    return tensor;
  }

 private:
  LlamaConfig config_;
  uint64_t seed_;
  double stddev_;
  std::map<std::string, uint32_t> numbers_;
};

}  // namespace

std::unique_ptr<LlamaWeights> folder_weights(std::shared_ptr<const HfFolder> folder) {
  return std::make_unique<FolderWeights>(std::move(folder));
}

std::unique_ptr<LlamaWeights> random_weights(const LlamaConfig& config, uint64_t seed,
                                             double stddev) {
  return std::make_unique<RandomWeights>(config, seed, stddev);
}

}  // namespace tandem
