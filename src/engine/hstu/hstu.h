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
  // Of the relative bias (models/relative_bias.h), [2 L - 1] and [129]; empty: there is none.
  std::vector<float> position_bias = {}, time_bias = {};

  // x [T, D] of the window's items, changed in place -> what the last `queries` positions become,
  // [queries, D] at the start of x. A position sees the items up to itself; padding is seen by
  // nobody, and sees nothing.
  void apply(std::vector<float>& x, const History& window, int64_t heads, int64_t max_length,
             int64_t queries) const;
};

// HSTU (Zhai et al., "Actions Speak Louder than Words", ICML 2024) without libtorch, as
// src/learn/hstu trains it: no softmax, and a relative bias b only where the configuration says so.
//
//     x = E[item] + P[slot];  [u, v, q, k] = silu(LN(x) W);  A = silu(q k^T + b) / L, causal
//     x = W_o (u * LN(A v)) + b + x
//
// A row of T inputs takes the slots L - T .. L - 1 of the L + 1.
class Hstu final : public WindowedRetriever {
 public:
  explicit Hstu(const RetrieverWeights& weights);

  bool reads_times() const override { return config().relative_bias != 0; }

 private:
  void forward(std::span<const History> windows, float* out) const override;

  std::vector<float> positions_;  // [L + 1, D]
  std::vector<HstuLayer> layers_;
};

}  // namespace tandem::engine
