// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem::learn {

// Angle tables of one segment of every head: cosines and sines of positions times inverse
// frequencies, [P, h] each, for the elements [offset, offset + 2 h) of a head of head_dim.
struct Rope {
  at::Tensor cosines, sines;
  int64_t head_dim = 0, offset = 0;

  Rope rows(const at::Tensor& wanted) const;             // of some positions
  Rope on(at::Device device) const;                      // the same there
  Rope segment(int64_t head_dim, int64_t offset) const;  // of another segment, by the same angles
};

// For whole heads, head_dim = 2 h. positions [P] int64, inverse_frequencies [h] float64; angles are
// made in double.
Rope make_rope(const at::Tensor& positions, const at::Tensor& inverse_frequencies,
               at::ScalarType type);

// Rotary position embedding (Su et al., "RoFormer") in Hugging Face's layout: element j of the
// segment turns with element j + h; what lies outside the segment stays.
//
//     y[j] = x[j] cos - x[j + h] sin,   y[j + h] = x[j + h] cos + x[j] sin
//
//   x     [P, heads * head_dim]  float32, bfloat16 or float64
//   rope  float32 (float64 with x of float64)
//
// Differentiable in x, by the opposite rotation; keeps nothing of x. Throws ShapeError.
at::Tensor rotate(const at::Tensor& x, const Rope& rope);

at::Tensor rotate_reference(const at::Tensor& x, const Rope& rope);

}  // namespace tandem::learn
