// SPDX-License-Identifier: Apache-2.0
#include "engine/narm/narm.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "engine/kernels/additive_score.h"
#include "engine/kernels/gru_cell.h"
#include "engine/ops/packed_linear.h"

namespace tandem::engine {
namespace {

PackedMatrix matrix(const RetrieverWeights& weights, const std::string& name, int64_t columns) {
  const std::span<const float> values = weights.values(name);
  return {values.data(), std::ssize(values) / columns, columns, columns};
}

PackedMatrix transposed(const RetrieverWeights& weights, const std::string& name, int64_t columns) {
  const std::span<const float> values = weights.values(name);
  const int64_t rows = std::ssize(values) / columns;
  std::vector<float> turned(values.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) turned[c * rows + r] = values[r * columns + c];
  return {turned.data(), columns, rows, rows};
}

}  // namespace

Narm::Narm(const RetrieverWeights& weights)
    : WindowedRetriever(weights, matrix(weights, "embedding.token.weight", weights.config().width),
                        {}),
      state_(2 * weights.config().width),
      weight_ih_(matrix(weights, "model.gru.weight_ih_l0", width())),
      weight_hh_(matrix(weights, "model.gru.weight_hh_l0", state_)),
      a_global_(matrix(weights, "model.a_global.weight", state_)),
      a_local_(matrix(weights, "model.a_local.weight", state_)),
      decoder_(transposed(weights, "model.b_vetor.weight", width())),
      bias_ih_(parameter(weights, "model.gru.bias_ih_l0")),
      bias_hh_(parameter(weights, "model.gru.bias_hh_l0")),
      v_(parameter(weights, "model.v_vector.weight")) {}

void Narm::input(int32_t item, float* gates) const {
  std::vector<float> x(width());
  item_table().copy_row(item, x.data());
  weight_ih_.multiply(x.data(), width(), 1, bias_ih_.data(), gates, 3 * state_);
}

void Narm::answer(const float* states, const float* keys, int64_t stride, int64_t steps,
                  float* hidden) const {
  std::vector<float> both(2 * state_, 0.0f), query(state_), weights(steps);
  const float* last = states + (steps - 1) * stride;
  std::copy_n(last, state_, both.data());
  a_global_.multiply(last, state_, 1, nullptr, query.data(), state_);
  for (int64_t j = 0; j < steps; ++j)
    weights[j] = additive_score(query.data(), keys + j * stride, v_.data(), state_);
  const float largest = *std::ranges::max_element(weights);
  float sum = 0;
  for (float& weight : weights) sum += weight = std::exp(weight - largest);
  float* local = both.data() + state_;
  for (int64_t j = 0; j < steps; ++j) {
    const float weight = weights[j] / sum;
    for (int64_t c = 0; c < state_; ++c) local[c] += weight * states[j * stride + c];
  }
  decoder_.multiply(both.data(), 2 * state_, 1, nullptr, hidden, width());
}

int64_t Narm::state_size(int64_t items) const {
  return state_ + std::min(items, max_length()) * 2 * state_;
}

void Narm::step(UserState& state, const Event& event, float* hidden) const {
  if (!knows(event.item))
    throw DataError("item {} is not among the model's items 1..{}", event.item, num_items());
  check_size(state);
  std::vector<float> u(3 * state_), w(u.size()), newest(2 * state_);
  std::vector<float>& values = state.values;
  float* h = values.data();
  input(event.item, u.data());
  weight_hh_.multiply(h, state_, 1, bias_hh_.data(), w.data(), 3 * state_);
  gru_cell(u.data(), w.data(), h, state_, h, nullptr);
  std::copy_n(h, state_, newest.data());
  a_local_.multiply(h, state_, 1, nullptr, newest.data() + state_, state_);
  if (state.items >= max_length())  // the oldest goes
    values.erase(values.begin() + state_, values.begin() + 3 * state_);
  values.insert(values.end(), newest.begin(), newest.end());
  state.items += 1;
  answer(values.data() + state_, values.data() + 2 * state_, 2 * state_,
         std::min(state.items, max_length()), hidden);
}

// Windows advance together, the longest first, so that the weights are read once a step for all.
void Narm::forward(std::span<const History> windows, float* out) const {
  const int64_t rows = std::ssize(windows), gates = 3 * state_;
  std::vector<int64_t> order(rows), begins(order.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(),
                           [&](int64_t row) { return windows[row].size(); });
  int64_t positions = 0;
  for (int64_t row = 0; row < rows; ++row) {
    begins[row] = positions;
    positions += std::ssize(windows[row]);
  }
  std::vector<float> states(positions * state_), keys(states.size());
  std::vector<float> h(rows * state_, 0.0f), w(rows * gates), u(gates);
  int64_t running = rows;
  for (int64_t step = 0; running > 0; ++step) {
    while (running > 0 && std::ssize(windows[order[running - 1]]) <= step) --running;
    weight_hh_.multiply(h.data(), state_, running, bias_hh_.data(), w.data(), gates);
    for (int64_t i = 0; i < running; ++i) {
      const int64_t row = order[i];
      float* state = h.data() + i * state_;
      input(windows[row][step], u.data());
      gru_cell(u.data(), w.data() + i * gates, state, state_, state, nullptr);
      std::copy_n(state, state_, states.data() + (begins[row] + step) * state_);
    }
  }
  a_local_.multiply(states.data(), state_, positions, nullptr, keys.data(), state_);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t at = begins[row] * state_;
    answer(states.data() + at, keys.data() + at, state_, std::ssize(windows[row]),
           out + row * width());
  }
}

}  // namespace tandem::engine
