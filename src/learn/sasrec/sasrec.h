// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "learn/model.h"
#include "learn/transformer_config.h"

namespace tandem::learn {

// SASRec (Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018) in the form that
// HLLM's authors compare with: post-norm blocks, GELU, biases everywhere, LayerNorm eps 1e-12;
// parameters under their names.
//
//     x = LN(E[item] + P[slot]);   h = LN(x + W_o attention(x));   x = LN(h + W_2 gelu(W_1 h))
//
// A row of T inputs takes the last T of the L position slots, as if it were padded on the left.
// Linear layers work on packed positions; attention alone pads to the batch's longest row. A key
// whose input is 0 (padding) is seen by nobody but itself, where the authors' padded query averages
// all keys, later ones included: a trained position must not. Scores are hidden x E^T without a
// bias, for a softmax over all items.
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
  struct Linear {
    at::Tensor weight, bias;

    at::Tensor apply(const at::Tensor& x) const;
  };
  struct Norm {
    at::Tensor weight, bias;
  };
  struct Block {
    Linear query, key, value, dense;
    Norm attention_norm;
    Linear dense_1, dense_2;
    Norm ffn_norm;
  };
  struct Layout;

  at::Tensor add(const std::string& name, std::vector<int64_t> shape);
  Linear add_linear(const std::string& name, int64_t out, int64_t in);
  Norm add_norm(const std::string& name);
  at::Tensor attention(const Block& block, const std::string& site, const at::Tensor& x,
                       const Layout& layout, const DropoutRng* dropout) const;

  TransformerConfig config_;
  std::vector<NamedParameter> parameters_;
  at::Tensor item_embedding_, position_embedding_, item_bias_;
  Norm embedding_norm_;
  std::vector<Block> blocks_;
};

}  // namespace tandem::learn
