// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ops/post_norm_block.h"
#include "engine/windowed_retriever.h"

namespace tandem::engine {

// BERT4Rec (Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
// Representations from Transformer", CIKM 2019) without libtorch, as src/learn/bert4rec trains it:
//
//     x = LN(E[item] + P[step]);  h = LN(x + W_o attention(x));  x = LN(h + W_2 gelu(W_1 h))
//     hidden = gelu(W x + b)
//
// A row is the newest max_length - 1 items and the mask, whose position is the answer; every
// position sees the whole row, so a new item changes all of them and there is no state to keep.
class Bert4Rec final : public WindowedRetriever {
 public:
  explicit Bert4Rec(const RetrieverWeights& weights);

  // Everything inside, for oracles: hidden [T, D] of one row of inputs, which may hold masks (item
  // num_items + 1).
  std::vector<float> trace(History inputs) const;

 private:
  int64_t window() const override { return max_length() - 1; }
  void forward(std::span<const History> windows, float* out) const override;
  // x [T, D], the embeddings of a row's inputs.
  std::vector<float> embed(History inputs) const;
  // hidden of the rows of x, in place.
  void head(std::vector<float>& x) const;

  std::vector<float> mask_, positions_;  // [D], [max_length + 1, D]
  LayerNorm embedding_norm_;
  std::vector<PostNormBlock> blocks_;
  PackedLinear head_;
};

}  // namespace tandem::engine
