// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "learn/ops/key_ranges.h"

namespace tandem::learn {

// HSTU's attention (Zhai et al., "Actions Speak Louder than Words", ICML 2024): pointwise, no
// softmax, each query over its range of keys.
//
//     o[i] = sum over keys j in the range of  silu(q[i].k[j] + b[i, j]) / divisor * v[j]
//
// for each head.
//
//   q       [Q, heads * head_dim] float32
//   k, v    [P, heads * head_dim]
//   bias    [pairs], the b of all heads: queries in order, each with the keys of its range ascending;
//           undefined: none
//   ranges  of Q queries over P keys; here a range may be empty, and o is 0 then
//   result  as q
//
// O(Q T head_dim) time for rows of T; the products are made again in the backward pass, so nothing
// is kept but the inputs. Differentiable in q, k, v and bias; bits do not depend on the number of threads.
// On other devices than the CPU it is the reference. Throws ShapeError.
at::Tensor silu_attention(int64_t heads, const at::Tensor& q, const at::Tensor& k,
                          const at::Tensor& v, const KeyRanges& ranges, double divisor,
                          const at::Tensor& bias = {});

// The slow twin in ATen, a row at a time, on any device and floating type.
at::Tensor silu_attention_reference(int64_t heads, const at::Tensor& q, const at::Tensor& k,
                                    const at::Tensor& v, const KeyRanges& ranges, double divisor,
                                    const at::Tensor& bias = {});

}  // namespace tandem::learn
