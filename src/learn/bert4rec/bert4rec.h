// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "learn/model.h"
#include "learn/modules/linear.h"
#include "learn/modules/post_norm_block.h"
#include "learn/transformer_config.h"

namespace tandem::learn {

// BERT4Rec (Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
// Representations from Transformer", CIKM 2019), as LRURec's and LlamaRec's code family has it
// (github.com/GarciaLnk/LlamaRec, model/bert.py and attention.py); parameters under its names:
//
//     x = LN(E[item] + P[step]);  h = LN(x + W_o attention(x));  x = LN(h + W_2 gelu(W_1 h))
//     hidden = gelu(W x + b),     scores = hidden x E^T + bias
//
// Every position sees its whole row. The table has N + 2 rows: padding, items, mask; all take part
// in the softmax. The steps of a row count from 1. As in that code: the two tables start as N(0, 1)
// (padding's row as 0), all other weights and biases as N(0, 0.02^2) cut to [-0.04, 0.04];
// LayerNorm divides by the unbiased deviation, sqrt(D / (D - 1)) times the usual one; no dropout
// inside the FFN. Unlike it: GELU is the exact one of the paper, from which the code's tanh form
// differs by at most 5e-4, and LayerNorm's 1e-6 beside the deviation is left out.
class Bert4Rec : public Retriever {
 public:
  // A pure function of the seed.
  Bert4Rec(const TransformerConfig& config, uint64_t seed);

  std::vector<NamedParameter> parameters() const override { return parameters_; }
  // A batch's items may be the mask, num_items + 1.
  at::Tensor hidden(const PackedBatch& batch, const DropoutRng* dropout) const override;
  at::Tensor item_table() const override { return item_embedding_; }
  at::Tensor item_bias() const override { return item_bias_; }
  bool decayed(std::string_view name) const override;

  const TransformerConfig& config() const { return config_; }

 private:
  TransformerConfig config_;
  std::vector<NamedParameter> parameters_;
  at::Tensor item_embedding_, position_embedding_, item_bias_;
  LayerNorm embedding_norm_;
  std::vector<PostNormBlock> blocks_;
  Linear head_;
};

}  // namespace tandem::learn
