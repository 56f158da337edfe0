// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/incremental_retriever.h"
#include "engine/kernels/packed_matrix.h"
#include "engine/ops/layer_norm.h"
#include "engine/windowed_retriever.h"

namespace tandem::engine {

// One block of LRURec, weights packed for inference. H = 2 D complex channels; gamma is folded into
// in_proj.
struct LruBlock {
  LruBlock(const RetrieverWeights& weights, int64_t index);

  PackedMatrix in_proj;         // [2H, D]: gamma Re(B), then gamma Im(B)
  std::vector<float> in_bias;   // [2H]
  std::vector<float> lambda;    // [2H]: real parts, then imaginary parts
  PackedMatrix out_proj;        // [D, 2H]: Re(C), then -Im(C), so that the product is Re(C h)
  std::vector<float> out_bias;  // [D]
  PackedMatrix w_1, w_2;        // [4D, D], [D, 4D]
  std::vector<float> w_1_bias, w_2_bias;
  LayerNorm lru_norm, ffn_norm;
};

// LRURec (Yue et al., "Linear Recurrent Units for Sequential Recommendation", WSDM 2024) without
// libtorch.
//
//     x_k = LN(E[item_k])
// and in each block
//     h_k = lambda * h_{k-1} + gamma (B x_k + b)      the state of a padding input is not carried on
//     y_k = LN(Re(C h_k + c) + x_k)
//     x_k = LN(W2 gelu(W1 y_k + b1) + b2 + y_k)
//
// A user's state is one complex vector of H channels a block, [blocks, 2H] with real parts before
// imaginary parts: O(D H + D^2) a block for one interaction. After max_length items it remembers
// more than the window.
class LruRec final : public WindowedRetriever, public IncrementalRetriever {
 public:
  explicit LruRec(const RetrieverWeights& weights);

  const IncrementalRetriever* incremental() const override { return this; }
  void step(UserState& state, const Event& event, float* hidden) const override;
  int64_t state_size(int64_t items) const override;

  // Everything inside, for oracles: each block's states [T, 2H] and outputs [T, D] of one row of
  // inputs, which may hold padding items.
  struct Trace {
    std::vector<float> embedding;
    std::vector<std::vector<float>> states, lru_outputs, ffn_outputs;
  };
  Trace trace(History inputs) const;

 private:
  struct Rows;
  void forward(std::span<const History> windows, float* out) const override;
  void embed(History items, float* x) const;
  void run_block(const LruBlock& block, Rows& rows) const;

  std::vector<float> embedded_;  // [N + 1, D]: LN(E), the blocks' input for every item
  std::vector<LruBlock> blocks_;
};

}  // namespace tandem::engine
