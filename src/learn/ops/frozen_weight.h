// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>

namespace tandem::learn {

class FrozenWeight;
using FrozenWeightPtr = c10::intrusive_ptr<FrozenWeight>;

// A linear layer's weight [O, I] that is not trained, as it is stored: float32, float16 or bfloat16
// (often in a mapped file), or NF4 (learn/ops/nf4_weight.h). Immutable; safe to use concurrently.
class FrozenWeight : public torch::CustomClassHolder {
 public:
  virtual int64_t outputs() const = 0;  // O
  virtual int64_t inputs() const = 0;   // I

  // Rows [begin, begin + count) in `type` (float32, bfloat16 or float64), contiguous. A dense
  // weight that is stored so gives a view of itself; others write into `scratch`, which grows as
  // needed and holds the last expansion only.
  virtual at::Tensor rows(int64_t begin, int64_t count, at::ScalarType type,
                          at::Tensor& scratch) const = 0;
  // Columns [begin, begin + count) of all rows likewise, [O, count]. Where has_columns() is false
  // the form has no cheap way to a part of a row, and all of the weight is expanded.
  virtual at::Tensor columns(int64_t begin, int64_t count, at::ScalarType type,
                             at::Tensor& scratch) const;
  virtual bool has_columns() const { return false; }
  // Whether rows() gives views and needs no expansion.
  virtual bool is_stored_as(at::ScalarType) const { return false; }
  // Rows ids[i] in float32, [P, I]; ids [P] int64 on the CPU.
  virtual at::Tensor gather(const at::Tensor& ids) const;

  // The same numbers on a device, expanded there by ATen's operations. NF4 stays NF4 and a dense
  // weight its type; forms that only the CPU can read become float32.
  virtual FrozenWeightPtr moved(at::Device device) const;

 protected:
  // The first `count` elements of scratch, which is made anew when it does not fit.
  static at::Tensor expansion(int64_t count, at::TensorOptions options, at::Tensor& scratch);
};

// A matrix of any floating type, which the result shares.
FrozenWeightPtr dense_weight(const at::Tensor& matrix);

}  // namespace tandem::learn
