// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// NARM's local attention (Eq. 5 and 8 of Li et al., "Neural Attentive Session-based
// Recommendation"), with the hard sigmoid s(x) = min(max(x / 6 + 1 / 2, 0), 1):
//
//     e[q, j] = v . s(query[q] + key[j]),   result[q] = sum_j softmax_j(e[q, j]) value[j]
//
// over the positions j of q's row up to q itself.
//
//   query       [Q, H]
//   key, value  [P, H]
//   v           [H]
//   row_starts  [B+1] int64
//   wanted      [Q]   int64, ascending positions of the queries; undefined: all, Q = P
//
// All float32. O(H) time for each pair of query and key; keeps the probabilities. Differentiable in
// query, key, value and v; bits do not depend on the number of threads. On other devices than the
// CPU: the twin. Throws ShapeError.
at::Tensor additive_attention(const at::Tensor& query, const at::Tensor& key,
                              const at::Tensor& value, const at::Tensor& v,
                              const at::Tensor& row_starts, const at::Tensor& wanted = {});

// The twin in ATen, on any device, any floating type: holds H numbers for each pair.
at::Tensor additive_attention_reference(const at::Tensor& query, const at::Tensor& key,
                                        const at::Tensor& value, const at::Tensor& v,
                                        const at::Tensor& row_starts,
                                        const at::Tensor& wanted = {});

}  // namespace tandem::learn
