// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/nf4_weight.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace tandem::learn {
namespace {

constexpr int64_t kGrain = 1 << 16;  // elements a thread should get at least

// A copy of its own on a device.
template <typename T>
at::Tensor copied(std::span<const T> values, at::ScalarType type, at::Device device) {
  const at::Tensor view = at::from_blob(const_cast<T*>(values.data()), {std::ssize(values)}, type);
  return view.to(device, view.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
}

// The codes and the blocks' scales as tensors. The second level of the scales is expanded; they
// take an eighth of the codes' bytes.
class Nf4OnDevice : public FrozenWeight {
 public:
  Nf4OnDevice(const Nf4Tensor& tensor, at::Device device)
      : outputs_(tensor.shape[0]), inputs_(tensor.shape[1]), block_(tensor.block) {
    std::vector<float> scales(tensor.num_blocks());
    for (size_t i = 0; i < scales.size(); ++i) scales[i] = tensor.scale(static_cast<int64_t>(i));
    codes_ = copied(tensor.codes, at::kByte, device);
    scales_ = copied(std::span<const float>(scales), at::kFloat, device);
    table_ = copied(std::span<const float>(kNf4Table), at::kFloat, device);
  }

  int64_t outputs() const override { return outputs_; }
  int64_t inputs() const override { return inputs_; }

  at::Tensor rows(int64_t begin, int64_t count, at::ScalarType type, at::Tensor&) const override {
    // From the block that holds the first element to the end of the one that holds the last.
    const int64_t first = begin * inputs_, size = count * inputs_;
    const int64_t from = first / block_ * block_;
    const int64_t blocks = (first + size - from + block_ - 1) / block_;
    const int64_t to = std::min(from + blocks * block_, outputs_ * inputs_);
    const at::Tensor bytes = codes_.narrow(0, from / 2, (to - from + 1) / 2);
    const at::Tensor codes = at::stack({bytes.bitwise_right_shift(4), bytes.bitwise_and(15)}, 1);
    const at::Tensor scales = scales_.narrow(0, from / block_, blocks).repeat_interleave(block_);
    const at::Tensor values = table_.index_select(0, codes.flatten().to(at::kInt));
    const int64_t skipped = first - from;
    return (values.narrow(0, skipped, size) * scales.narrow(0, skipped, size))
        .view({count, inputs_})
        .to(type);
  }
  FrozenWeightPtr moved(at::Device device) const override {
    auto other = c10::make_intrusive<Nf4OnDevice>(*this);
    for (at::Tensor* tensor : {&other->codes_, &other->scales_, &other->table_})
      *tensor = tensor->to(device);
    return other;
  }

 private:
  int64_t outputs_, inputs_, block_;
  at::Tensor codes_, scales_, table_;
};

class Nf4Weight : public FrozenWeight {
 public:
  explicit Nf4Weight(Nf4Tensor tensor) : tensor_(std::move(tensor)) {}

  int64_t outputs() const override { return tensor_.shape[0]; }
  int64_t inputs() const override { return tensor_.shape[1]; }

  at::Tensor rows(int64_t begin, int64_t count, at::ScalarType type,
                  at::Tensor& scratch) const override {
    // Rows without gaps are one long row.
    return block(begin * inputs(), 0, count, inputs(), type, scratch);
  }
  at::Tensor columns(int64_t begin, int64_t count, at::ScalarType type,
                     at::Tensor& scratch) const override {
    return block(begin, inputs(), outputs(), count, type, scratch);
  }
  bool has_columns() const override { return true; }
  FrozenWeightPtr moved(at::Device device) const override {
    return c10::make_intrusive<Nf4OnDevice>(tensor_, device);
  }

 private:
  // [count, width] elements, row r from element first + r * stride on; stride 0 means width.
  at::Tensor block(int64_t first, int64_t stride, int64_t count, int64_t width, at::ScalarType type,
                   at::Tensor& scratch) const {
    if (type != at::kFloat && type != at::kBFloat16) {
      at::Tensor floats;
      return block(first, stride, count, width, at::kFloat, floats).to(type);
    }
    const at::Tensor out =
        expansion(count * width, at::TensorOptions().dtype(type), scratch).view({count, width});
    float* floats = type == at::kFloat ? out.data_ptr<float>() : nullptr;
    auto* halves = type == at::kFloat ? nullptr : static_cast<uint16_t*>(out.data_ptr());
    const auto expand = [&](int64_t from, int64_t size, int64_t to) {
      if (floats)
        tensor_.dequantize(from, size, floats + to);
      else
        tensor_.dequantize_bf16(from, size, halves + to);
    };
    const int64_t grain = std::max<int64_t>(1, kGrain / width);
    at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
      if (stride == 0) return expand(first + begin * width, (end - begin) * width, begin * width);
      for (int64_t r = begin; r < end; ++r) expand(first + r * stride, width, r * width);
    });
    return out;
  }

  Nf4Tensor tensor_;
};

}  // namespace

FrozenWeightPtr nf4_weight(const Nf4Tensor& tensor) {
  if (tensor.shape.size() != 2)
    throw ShapeError("nf4 weight: {} axes, expected a matrix", tensor.shape.size());
  tensor.validate("nf4 weight");
  return c10::make_intrusive<Nf4Weight>(tensor);
}

}  // namespace tandem::learn
