// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/nf4_weight.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"

namespace tandem {
namespace {

constexpr int64_t kGrain = 1 << 16;  // elements a thread should get at least

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

}  // namespace tandem
