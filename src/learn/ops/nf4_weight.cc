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
    const int64_t columns = inputs();
    if (type != at::kFloat && type != at::kBFloat16) {
      at::Tensor floats;
      return rows(begin, count, at::kFloat, floats).to(type);
    }
    const at::Tensor out =
        expansion(count * columns, at::TensorOptions().dtype(type), scratch).view({count, columns});
    float* floats = type == at::kFloat ? out.data_ptr<float>() : nullptr;
    auto* halves = type == at::kFloat ? nullptr : static_cast<uint16_t*>(out.data_ptr());
    const int64_t grain = std::max<int64_t>(1, kGrain / columns);
    at::parallel_for(0, count, grain, [&](int64_t first, int64_t last) {
      const int64_t from = (begin + first) * columns, size = (last - first) * columns;
      if (floats)
        tensor_.dequantize(from, size, floats + first * columns);
      else
        tensor_.dequantize_bf16(from, size, halves + first * columns);
    });
    return out;
  }

 private:
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
