// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "learn/modules/dropout_sites.h"
#include "learn/modules/layer_norm.h"
#include "learn/modules/linear.h"
#include "learn/ops/key_ranges.h"
#include "learn/transformer_config.h"

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

// A pass over all of a batch's positions. ShapeError, naming the model, for a row of more inputs
// than max_length.
PostNormBlock::Pass post_norm_pass(std::string_view model, const TransformerConfig& config,
                                   KeyRanges ranges, int64_t positions, const DropoutRng* rng);

// Dropout of the embedded inputs x [P, D] at the site "embedding", then all blocks; the last one
// computes the wanted positions alone, whose ranges wanted_ranges() makes: [Q, D]. wanted
// undefined: all, Q = P.
at::Tensor encode(const std::vector<PostNormBlock>& blocks, at::Tensor x, PostNormBlock::Pass pass,
                  const at::Tensor& wanted, const std::function<KeyRanges()>& wanted_ranges);

}  // namespace tandem::learn
