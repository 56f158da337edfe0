// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/retriever.h"

namespace tandem::engine {

// A user's past as NARM keeps it: the GRU's state, and for the local attention the states behind
// the newest max_length items. Equal to the windowed model, bit for bit, as long as the user has at
// most max_length items; after that the GRU remembers more.
struct NarmState {
  std::vector<float> h;             // [H]
  std::vector<float> states, keys;  // [newest items, H]: h and A_l h behind each, oldest first
  int64_t items = 0;                // interactions so far
};

// NARM (Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017) without libtorch, as
// src/learn/narm trains it, H = 2 D:
//
//     h_1 .. h_T = GRU(E[item_1 .. item_T]);   a_j = softmax_j v . s(A_g h_T + A_l h_j)
//     hidden = B^T [h_T; sum_j a_j h_j]
class Narm final : public Retriever {
 public:
  explicit Narm(const RetrieverWeights& weights);

  NarmState new_state() const;
  // Takes one interaction into the state; hidden [D] is then what to score with. O(D H + H^2) and
  // O(H) for each of the newest max_length items. DataError for an item that the model does not
  // have.
  void step(NarmState& state, int32_t item, float* hidden) const;

 private:
  void forward(std::span<const History> windows, float* out) const override;
  // Gates of an item, W_ih E[item] + b_ih, [3H].
  void input(int32_t item, float* gates) const;
  // hidden [D] from the states [steps, H] of a row, the last of which asks, and their keys.
  void answer(const float* states, const float* keys, int64_t steps, float* hidden) const;

  int64_t state_;  // H
  PackedMatrix weight_ih_, weight_hh_, a_global_, a_local_;
  PackedMatrix decoder_;  // [D, 2H], B transposed
  std::vector<float> bias_ih_, bias_hh_, v_;
};

}  // namespace tandem::engine
