// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ops/attention.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/packed_linear.h"

namespace tandem::engine {

// x[i] += y[i].
void add_to(std::vector<float>& x, const float* y);

// A transformer block with LayerNorm after the residual sums (Vaswani et al., "Attention Is All
// You Need", 2017), as SASRec and BERT4Rec have it:
//
//     h = LN(x + W_o attention(x));   x = LN(h + W_2 gelu(W_1 h))
struct PostNormBlock {
  PackedLinear query, key, value, output, w_1, w_2;
  LayerNorm attention_norm, output_norm;

  // One row, [T, D] in x, in place. ranges: which positions each of the last positions sees; the
  // result is theirs, [ranges.size(), D].
  void apply(std::vector<float>& x, int64_t heads, std::span<const KeyRange> ranges) const;
};

// All blocks, of which the last computes the last position alone: [1, D] in x then.
void encode_last(std::span<const PostNormBlock> blocks, std::vector<float>& x, int64_t heads,
                 std::span<const KeyRange> ranges);

}  // namespace tandem::engine
