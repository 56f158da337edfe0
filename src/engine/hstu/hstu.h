// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/packed_linear.h"
#include "engine/windowed_retriever.h"

namespace tandem::engine {

// One layer of HSTU, packed.
struct HstuLayer {
  PackedMatrix uvqk;    // [4 D, D]
  PackedLinear output;  // [D, D]
  LayerNorm norm;       // of ones and zeros: the layer's norms have no affine

  // x [T, D] of one row, changed in place -> what the last `queries` positions become, [queries, D]
  // at the start of x. visible[t]: whether others see position t; it sees those up to itself.
  void apply(std::vector<float>& x, int64_t heads, int64_t max_length,
             std::span<const uint8_t> visible, int64_t queries) const;
};

// HSTU (Zhai et al., "Actions Speak Louder than Words", ICML 2024) without libtorch, as
// src/learn/hstu trains it: no softmax, no relative bias.
//
//     x = E[item] + P[slot];  [u, v, q, k] = silu(LN(x) W);  A = silu(q k^T) / L, causal
//     x = W_o (u * LN(A v)) + b + x
//
// A row of T inputs takes the slots L - T .. L - 1 of the L + 1.
class Hstu final : public WindowedRetriever {
 public:
  explicit Hstu(const RetrieverWeights& weights);

 private:
  void forward(std::span<const History> windows, float* out) const override;

  std::vector<float> positions_;  // [L + 1, D]
  std::vector<HstuLayer> layers_;
};

}  // namespace tandem::engine
