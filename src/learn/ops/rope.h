// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// Cosines and sines of positions times inverse frequencies, [P, head_dim / 2] each.
struct RotaryAngles {
  at::Tensor cosines, sines;

  RotaryAngles rows(const at::Tensor& wanted) const;  // of some positions
};

// positions [P] int64, inverse_frequencies [head_dim / 2] float64; angles are made in double.
RotaryAngles rotary_angles(const at::Tensor& positions, const at::Tensor& inverse_frequencies,
                           at::ScalarType type);

// Rotary position embedding (Su et al., "RoFormer") in Hugging Face's layout: element j of a head
// turns with element j + head_dim / 2.
//
//     y[j] = x[j] cos - x[j + h] sin,   y[j + h] = x[j + h] cos + x[j] sin      h = head_dim / 2
//
//   x       [P, heads * head_dim]  float32, bfloat16 or float64
//   angles  float32 (float64 with x of float64)
//
// Differentiable in x, by the opposite rotation; keeps nothing of x. Throws ShapeError.
at::Tensor rotary(const at::Tensor& x, const RotaryAngles& angles);

at::Tensor rotary_reference(const at::Tensor& x, const RotaryAngles& angles);

}  // namespace tandem::learn
