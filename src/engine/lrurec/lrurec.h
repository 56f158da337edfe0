// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/ops/layer_norm.h"
#include "engine/retriever.h"

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

// A user's whole past as LRURec keeps it: one complex vector of H channels a block. Small, O(1) to
// advance, and equal to the windowed model, bit for bit, as long as the user has at most max_length
// items; after that it remembers more.
struct LruRecState {
  std::vector<float> h;  // [blocks, 2H]: real parts, then imaginary parts
  int64_t items = 0;     // interactions so far
};

// LRURec (Yue et al., "Linear Recurrent Units for Sequential Recommendation", WSDM 2024) without
// libtorch.
//
//     x_k = LN(E[item_k])
// and in each block
//     h_k = lambda * h_{k-1} + gamma (B x_k + b)      the state of a padding input is not carried on
//     y_k = LN(Re(C h_k + c) + x_k)
//     x_k = LN(W2 gelu(W1 y_k + b1) + b2 + y_k)
class LruRec final : public Retriever {
 public:
  explicit LruRec(const RetrieverWeights& weights);

  LruRecState new_state() const;
  // Takes one interaction into the state; hidden [D] is then what to score with. O(D H + D^2) a
  // block, whatever the length of the history. DataError for an item that the model does not have.
  void step(LruRecState& state, int32_t item, float* hidden) const;

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
