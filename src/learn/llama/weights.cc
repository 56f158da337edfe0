// SPDX-License-Identifier: Apache-2.0
#include "learn/llama/weights.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <map>
#include <utility>

#include "core/error.h"
#include "core/rng.h"
#include "formats/stored_tensor.h"
#include "learn/ops/nf4_weight.h"

namespace tandem::learn {
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

// Rows of a form that neither ATen nor NF4 has, such as a GGUF file's blocks.
class StoredWeight : public FrozenWeight {
 public:
  StoredWeight(std::shared_ptr<const LlamaSource> source, StoredTensor tensor)
      : source_(std::move(source)), tensor_(std::move(tensor)) {}

  int64_t outputs() const override { return tensor_.rows(); }
  int64_t inputs() const override { return tensor_.columns(); }

  at::Tensor rows(int64_t begin, int64_t count, at::ScalarType type,
                  at::Tensor& scratch) const override {
    const int64_t columns = inputs();
    at::Tensor own;
    at::Tensor& to = type == at::kFloat ? scratch : own;
    const at::Tensor floats = expansion(count * columns, at::kFloat, to).view({count, columns});
    float* out = floats.data_ptr<float>();
    at::parallel_for(0, count, 16, [&](int64_t first, int64_t last) {
      tensor_.read_rows(begin + first, last - first, out + first * columns);
    });
    return type == at::kFloat ? floats : floats.to(type);
  }

 private:
  std::shared_ptr<const LlamaSource> source_;  // keeps the file mapped
  StoredTensor tensor_;
};

class SourceWeights : public LlamaWeights {
 public:
  explicit SourceWeights(std::shared_ptr<const LlamaSource> source) : source_(std::move(source)) {}

  const LlamaConfig& config() const override { return source_->config(); }

  FrozenWeightPtr frozen(const TensorSpec& spec) const override {
    StoredTensor tensor = source_->tensor(spec);
    if (const TensorView* view = tensor.floats()) return dense_weight(mapped(*view));
    if (const Nf4Tensor* found = tensor.nf4()) {
      Nf4Tensor weight = *found;
      weight.owner = std::make_shared<
          std::pair<std::shared_ptr<const LlamaSource>, std::shared_ptr<const void>>>(source_,
                                                                                      found->owner);
      return nf4_weight(weight);
    }
    return c10::make_intrusive<StoredWeight>(source_, std::move(tensor));
  }

  at::Tensor copy(const TensorSpec& spec) const override {
    const StoredTensor tensor = source_->tensor(spec);
    if (tensor.nf4())
      throw ConfigError("'{}' is NF4, which cannot be trained: use an adapter", spec.name);
    at::Tensor values = at::empty(spec.shape, at::kFloat);
    tensor.read_rows(0, tensor.rows(), values.data_ptr<float>());
    return values;
  }

 private:
  // A tensor in the file, which it keeps mapped. Never written to.
  at::Tensor mapped(const TensorView& view) const {
    const at::Tensor tensor = at::from_blob(
        const_cast<std::byte*>(view.bytes.data()), view.shape, [source = source_](void*) {},
        at::TensorOptions().dtype(scalar_type(view.dtype)));
    const auto element = static_cast<uintptr_t>(dtype_bytes(view.dtype));
    const bool is_aligned = reinterpret_cast<uintptr_t>(view.bytes.data()) % element == 0;
    return is_aligned ? tensor : tensor.clone();
  }

  std::shared_ptr<const LlamaSource> source_;
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

std::unique_ptr<LlamaWeights> source_weights(std::shared_ptr<const LlamaSource> source) {
  return std::make_unique<SourceWeights>(std::move(source));
}

std::unique_ptr<LlamaWeights> random_weights(const LlamaConfig& config, uint64_t seed,
                                             double stddev) {
  return std::make_unique<RandomWeights>(config, seed, stddev);
}

}  // namespace tandem::learn
