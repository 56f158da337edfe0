// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "learn/modules/dropout_sites.h"
#include "learn/modules/layer_norm.h"
#include "learn/modules/linear.h"
#include "learn/ops/key_ranges.h"

namespace tandem::learn {

// A transformer block with LayerNorm after the residual sums (Vaswani et al., "Attention Is All You
// Need", 2017), as SASRec and BERT4Rec have it; no dropout inside the feed-forward layer:
//
//     h = LN(x + dropout(W_o attention(x)));   x = LN(h + dropout(W_2 gelu(W_1 h)))
struct PostNormBlock {
  Linear query, key, value, output, w_1, w_2;
  LayerNorm attention_norm, output_norm;
  // Dropout sites: the probabilities, the attention's output, the feed-forward layer's.
  std::string attention_site, output_site, ffn_site;

  // What a block needs to know of its pass.
  struct Pass {
    int64_t heads = 1;
    int64_t max_length = 0;  // columns of a probability mask, for each head
    KeyRanges ranges;        // of the positions that ask
    at::Tensor wanted;       // those positions, [Q]; undefined: all
    DropoutSites dropout, attention_dropout;
  };
  // x [P, D] -> [Q, D].
  at::Tensor forward(const at::Tensor& x, const Pass& pass) const;
};

}  // namespace tandem::learn
