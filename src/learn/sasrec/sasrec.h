// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "learn/model.h"
#include "learn/modules/post_norm_block.h"
#include "learn/transformer_config.h"

namespace tandem::learn {

// SASRec (Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018) in the form that
// HLLM's authors compare with: post-norm blocks, GELU, biases everywhere, LayerNorm eps 1e-12;
// parameters under their names.
//
//     x = LN(E[item] + P[slot]);   h = LN(x + W_o attention(x));   x = LN(h + W_2 gelu(W_1 h))
//
// A row of T inputs takes the last T of the L position slots, as if it were padded on the left.
// Padding, input 0, may stand at a row's start; it sees itself and is seen by nobody else, where
// the authors' padded query averages all keys, later ones included: a trained position must not.
// Scores are hidden x E^T without a bias, for a softmax over all items.
class SasRec : public Retriever {
 public:
  // Weights N(0, 0.02^2), biases 0, LayerNorm 1 and 0: a pure function of the seed. Row 0 (padding)
  // is drawn too.
  SasRec(const TransformerConfig& config, uint64_t seed);

  std::vector<NamedParameter> parameters() const override { return parameters_; }
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
};

}  // namespace tandem::learn
