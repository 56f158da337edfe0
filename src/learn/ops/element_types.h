// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/error.h"
#include "engine/kernels/vector_ops.h"

namespace tandem::learn {

// Calls f with a null pointer of a tensor's element type and a zero of the type that an op computes
// in: float32 for float32 and bfloat16, float64 for float64 (gradient checks). ShapeError, naming
// the op, for other types.
template <typename F>
void dispatch_element_type(const char* op, at::ScalarType type, const F& f) {
  if (type == at::kDouble)
    f((double*)nullptr, double{});
  else if (type == at::kFloat)
    f((float*)nullptr, float{});
  else if (type == at::kBFloat16)
    f((at::BFloat16*)nullptr, float{});
  else
    throw ShapeError("{}: elements are {}", op, c10::toString(type));
}

// softmax of one row, in place.
inline void softmax_in_place(float* x, int64_t count) { engine::softmax_row(x, count); }

inline void softmax_in_place(double* x, int64_t count) {
  const double top = *std::max_element(x, x + count);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += x[i] = std::exp(x[i] - top);
  for (int64_t i = 0; i < count; ++i) x[i] /= sum;
}

}  // namespace tandem::learn
