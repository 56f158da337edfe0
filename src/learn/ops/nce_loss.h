// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// What a contrastive loss over items compares. Vectors of any length but 0; only their directions
// count.
//
//   users, targets [Q, D]            float32: what is said at a position, and of the true next item
//   negatives      [M, D] | [Q, n, D]  shared by all positions, or each position's own
//   log_scale      []                float32, logarithm of the inverse temperature
//   target_ids     [Q]               int64; undefined: equal items are told by their cosine alone
//   negative_ids   [M] | [Q, n]      int64, as target_ids
struct NceInput {
  at::Tensor users, targets, negatives, log_scale;
  at::Tensor target_ids = {}, negative_ids = {};
  double threshold = 0.99;  // a negative nearer to the target than this is no negative
};

// Means over the positions, but for `ranks`.
struct NceLoss {
  at::Tensor loss;        // [], differentiable
  double survivors = 0;   // logits that were not dropped, the target's included
  at::Tensor ranks = {};  // [Q] int64: 1 + surviving negatives that score above the target
};

// InfoNCE with a learned temperature and a filter of false negatives (HLLM, arXiv 2409.12740,
// section 3.2, and its code). With hats for vectors of length 1 and s = exp(log_scale):
//
//     kept(q, j) = cos(t_q, n_j) <= threshold  and  id(t_q) != id(n_j)
//     loss = mean over q of  log(exp(s u_q.t_q) + sum over kept j of exp(s u_q.n_j)) - s u_q.t_q
//
// Cosines are float32. A dropped negative adds nothing to the loss nor to any gradient, that of
// log_scale included (a mask of -inf before the scale would make it 0 times inf). When all are
// dropped the loss and its gradients are 0.
//
// The forward pass makes the gradients block by block; memory: 32 MB of scratch beside them, however
// many positions and negatives there are (own negatives: as much as they take). Bits do not depend
// on the number of threads. Throws ShapeError.
NceLoss nce_loss(const NceInput& input);

// With ATen operations and all logits, any floating type: for tests, and what other devices than the
// CPU run.
NceLoss nce_loss_reference(const NceInput& input);

// The reference's logits [Q, 1 + M] or [Q, 1 + n]: the target's, then the negatives'; -inf where
// dropped. Differentiable, for oracles.
at::Tensor nce_logits(const NceInput& input);

// x / |x| by row; a row of zeros stays as it is.
at::Tensor unit_rows(const at::Tensor& x);

}  // namespace tandem::learn
