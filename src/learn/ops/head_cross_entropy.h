// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "learn/ops/frozen_weight.h"

namespace tandem::learn {

// Mean softmax cross-entropy of a language model's head at its supervised positions only:
//
//     loss = mean over s of  log sum_n exp(z[s, n]) - z[s, labels[s]],   z = hidden W^T
//
//   hidden  [S, D] float32 or float64, S > 0
//   weight  [V, D] of the same type when the head is trained; otherwise undefined and
//   frozen  the weight as it is stored, expanded a tile of rows at a time
//   labels  [S] int64 in 0..V-1
//
// The forward pass also makes the gradients, while the probabilities are there. At most 64 MB of
// logits exist at a time. Arithmetic in hidden's type. Differentiable in hidden and weight. Throws
// ShapeError, DataError for a label outside the vocabulary.
at::Tensor head_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight,
                              const FrozenWeightPtr& frozen, const at::Tensor& labels);

at::Tensor head_cross_entropy_reference(const at::Tensor& hidden, const at::Tensor& weight,
                                        const at::Tensor& labels);

// What each position is to say: weights w of a few tokens. One token of weight 1/S at each of S
// positions is the mean above; several tokens of a position are a soft target.
struct HeadTargets {
  at::Tensor starts;   // [S+1] int64, position s has targets starts[s] .. starts[s+1]
  at::Tensor tokens;   // [T] int64 in 0..V-1
  at::Tensor weights;  // [T] float64, not negative
};

//     loss = sum over targets (s, n, w) of  w (log sum_m exp(z[s, m]) - z[s, n])
//
// As head_cross_entropy otherwise. Throws DataError for a weight that is negative or not finite.
at::Tensor head_soft_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight,
                                   const FrozenWeightPtr& frozen, const HeadTargets& targets);

at::Tensor head_soft_cross_entropy_reference(const at::Tensor& hidden, const at::Tensor& weight,
                                             const HeadTargets& targets);

// z = hidden W^T, [S, V], tile by tile; without autograd.
at::Tensor head_logits(const at::Tensor& hidden, const at::Tensor& weight,
                       const FrozenWeightPtr& frozen);

}  // namespace tandem::learn
