// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "engine/ops/layer_norm.h"
#include "engine/ops/packed_linear.h"

namespace tandem::engine {

// Attention of one row's last `queries` positions over its T positions:
//   query [queries, D];  key, value [T, D];  out [queries, D]
using RowAttention = void (*)(const float* query, const float* key, const float* value,
                              int64_t queries, int64_t steps, int64_t width, int64_t heads,
                              float* out);

// x[i] += y[i].
void add_to(std::vector<float>& x, const float* y);

// A transformer block with LayerNorm behind the residual sums (Vaswani et al., "Attention Is All
// You Need", 2017), as SASRec and BERT4Rec have it:
//
//     h = LN(x + W_o attention(x));   x = LN(h + W_2 gelu(W_1 h))
struct PostNormBlock {
  PackedLinear query, key, value, output, w_1, w_2;
  LayerNorm attention_norm, output_norm;

  // One row, [T, D] in x, in place; with last_only the result is that of the last position, [1, D].
  void apply(std::vector<float>& x, int64_t heads, RowAttention attention, bool last_only) const;
};

}  // namespace tandem::engine
