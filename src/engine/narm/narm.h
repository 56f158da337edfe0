// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/incremental_retriever.h"
#include "engine/kernels/packed_matrix.h"
#include "engine/windowed_retriever.h"

namespace tandem::engine {

// NARM (Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017) without libtorch, as
// src/learn/narm trains it, H = 2 D:
//
//     h_1 .. h_T = GRU(E[item_1 .. item_T]);   a_j = softmax_j v . s(A_g h_T + A_l h_j)
//     hidden = B^T [h_T; sum_j a_j h_j]
//
// A user's state is the GRU's, h [H], and for the local attention h_j and A_l h_j after each of the
// newest max_length items, [items, 2H], oldest first: O(D H + H^2), and O(H) for each of those
// items, for one interaction. After max_length items the GRU remembers more than the window.
class Narm final : public WindowedRetriever, public IncrementalRetriever {
 public:
  explicit Narm(const RetrieverWeights& weights);

  const IncrementalRetriever* incremental() const override { return this; }
  void step(UserState& state, const Event& event, float* hidden) const override;
  int64_t state_size(int64_t items) const override;

 private:
  void forward(std::span<const History> windows, float* out) const override;
  // Gates of an item, W_ih E[item] + b_ih, [3H].
  void input(int32_t item, float* gates) const;
  // hidden [D] from a row's h_j and A_l h_j, `stride` floats from step to step; the last one asks.
  void answer(const float* states, const float* keys, int64_t stride, int64_t steps,
              float* hidden) const;

  int64_t state_;  // H
  PackedMatrix weight_ih_, weight_hh_, a_global_, a_local_;
  PackedMatrix decoder_;  // [D, 2H], B transposed
  std::vector<float> bias_ih_, bias_hh_, v_;
};

}  // namespace tandem::engine
