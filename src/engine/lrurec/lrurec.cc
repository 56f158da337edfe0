// SPDX-License-Identifier: Apache-2.0
#include "engine/lrurec/lrurec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "engine/kernels/gelu.h"
#include "engine/ops/lru_scan.h"

namespace tandem::engine {
namespace {

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

LayerNorm norm(const RetrieverWeights& weights, const std::string& name) {
  return {copy(weights.values(name + ".weight")), copy(weights.values(name + ".bias")), 1e-5f};
}

PackedMatrix matrix(std::span<const float> values, int64_t rows, int64_t columns) {
  return PackedMatrix(values.data(), rows, columns, columns);
}

}  // namespace

LruBlock::LruBlock(const RetrieverWeights& weights, int64_t index) {
  const int64_t width = weights.config().width, channels = 2 * width;
  const std::string lru = fmt::format("model.lru_blocks.{}.lru_layer", index);
  const std::string ffn = fmt::format("model.lru_blocks.{}.feed_forward", index);

  const std::span<const float> params_log = weights.values(lru + ".params_log");
  lambda.resize(2 * channels);
  std::vector<double> gamma(channels);
  for (int64_t c = 0; c < channels; ++c) {
    const double decay = std::exp(-std::exp(double{params_log[c]}));
    const double theta = std::exp(double{params_log[channels + c]});
    lambda[c] = static_cast<float>(decay * std::cos(theta));
    lambda[channels + c] = static_cast<float>(decay * std::sin(theta));
    gamma[c] = std::exp(double{params_log[2 * channels + c]});
  }

  const std::span<const float> b = weights.values(lru + ".in_proj.weight");        // [H, D, 2]
  const std::span<const float> b_bias = weights.values(lru + ".in_proj.bias");     // [H, 2]
  const std::span<const float> c_proj = weights.values(lru + ".out_proj.weight");  // [D, H, 2]
  const std::span<const float> c_bias = weights.values(lru + ".out_proj.bias");    // [D, 2]
  std::vector<float> in(2 * channels * width), out(width * 2 * channels);
  in_bias.resize(2 * channels);
  for (int64_t c = 0; c < channels; ++c) {
    for (const int64_t part : {0, 1}) {
      const int64_t row = part * channels + c;
      in_bias[row] = static_cast<float>(gamma[c] * b_bias[2 * c + part]);
      for (int64_t d = 0; d < width; ++d)
        in[row * width + d] = static_cast<float>(gamma[c] * b[2 * (c * width + d) + part]);
    }
  }
  out_bias.resize(width);
  for (int64_t d = 0; d < width; ++d) {
    out_bias[d] = c_bias[2 * d];
    for (int64_t c = 0; c < channels; ++c) {
      out[d * 2 * channels + c] = c_proj[2 * (d * channels + c)];
      out[d * 2 * channels + channels + c] = -c_proj[2 * (d * channels + c) + 1];
    }
  }
  in_proj = matrix(in, 2 * channels, width);
  out_proj = matrix(out, width, 2 * channels);
  w_1 = matrix(weights.values(ffn + ".w_1.weight"), 4 * width, width);
  w_2 = matrix(weights.values(ffn + ".w_2.weight"), width, 4 * width);
  w_1_bias = copy(weights.values(ffn + ".w_1.bias"));
  w_2_bias = copy(weights.values(ffn + ".w_2.bias"));
  lru_norm = norm(weights, lru + ".layer_norm");
  ffn_norm = norm(weights, ffn + ".layer_norm");
}

LruRec::LruRec(const RetrieverWeights& weights)
    : WindowedRetriever(weights,
                        matrix(weights.values("embedding.token.weight"),
                               weights.config().num_items + 1, weights.config().width),
                        copy(weights.values("model.bias"))),
      embedded_(copy(weights.values("embedding.token.weight"))) {
  norm(weights, "embedding.layer_norm").apply(embedded_.data(), num_items() + 1);
  for (int64_t i = 0; i < config().blocks; ++i) blocks_.emplace_back(weights, i);
}

// Rows of inputs laid end to end, on their way through the blocks.
struct LruRec::Rows {
  std::vector<float> x;  // [P, D]
  std::vector<uint8_t>
      carried;           // [P], 0 where no state comes in: a row's start, or behind a padding input
  std::vector<float> h;  // [P, 2H], the block's states
  std::vector<float> y, inner;  // [P, D], [P, 4D]
  std::vector<int64_t> last;    // where each row ends; empty: all positions are wanted
  float* state =
      nullptr;  // [2H] of the position before the first one, or null; takes the last one's
};

void LruRec::embed(History items, float* x) const {
  for (size_t k = 0; k < items.size(); ++k)
    std::copy_n(embedded_.data() + items[k] * width(), width(), x + k * width());
}

void LruRec::run_block(const LruBlock& block, Rows& rows) const {
  const int64_t width = this->width(), channels = 2 * width;
  int64_t positions = std::ssize(rows.carried);
  rows.h.resize(positions * 2 * channels);
  block.in_proj.multiply(rows.x.data(), width, positions, block.in_bias.data(), rows.h.data(),
                         2 * channels);
  lru_scan(rows.h.data(), positions, channels, block.lambda.data(), rows.carried.data(),
           rows.state);

  if (!rows.last.empty()) {  // nothing but the last positions goes on
    for (size_t r = 0; r < rows.last.size(); ++r) {
      std::copy_n(rows.h.data() + rows.last[r] * 2 * channels, 2 * channels,
                  rows.h.data() + r * 2 * channels);
      std::copy_n(rows.x.data() + rows.last[r] * width, width, rows.x.data() + r * width);
    }
    positions = std::ssize(rows.last);
  }
  rows.y.resize(positions * width);
  block.out_proj.multiply(rows.h.data(), 2 * channels, positions, block.out_bias.data(),
                          rows.y.data(), width);
  for (int64_t i = 0; i < positions * width; ++i) rows.y[i] += rows.x[i];
  block.lru_norm.apply(rows.y.data(), positions);

  rows.inner.resize(positions * 4 * width);
  block.w_1.multiply(rows.y.data(), width, positions, block.w_1_bias.data(), rows.inner.data(),
                     4 * width);
  gelu(rows.inner.data(), positions * 4 * width);
  block.w_2.multiply(rows.inner.data(), 4 * width, positions, block.w_2_bias.data(), rows.x.data(),
                     width);
  for (int64_t i = 0; i < positions * width; ++i) rows.x[i] += rows.y[i];
  block.ffn_norm.apply(rows.x.data(), positions);
}

void LruRec::forward(std::span<const History> windows, float* out) const {
  int64_t positions = 0;
  for (const History& window : windows) positions += std::ssize(window);
  Rows rows;
  rows.x.resize(positions * width());
  std::vector<int64_t> last;
  for (const History& window : windows) {
    embed(window, rows.x.data() + std::ssize(rows.carried) * width());
    for (size_t k = 0; k < window.size(); ++k) rows.carried.push_back(k > 0 && window[k - 1] != 0);
    last.push_back(std::ssize(rows.carried) - 1);
  }
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (i + 1 == blocks_.size()) rows.last = last;
    run_block(blocks_[i], rows);
  }
  std::copy_n(rows.x.data(), std::ssize(windows) * width(), out);
}

int64_t LruRec::state_size(int64_t) const { return std::ssize(blocks_) * 4 * width(); }

void LruRec::step(UserState& state, const Event& event, float* hidden) const {
  if (!knows(event.item))
    throw DataError("item {} is not among the model's items 1..{}", event.item, num_items());
  check_size(state);
  Rows rows;
  rows.x.resize(width());
  rows.carried = {state.items > 0};
  embed(std::span(&event.item, 1), rows.x.data());
  for (size_t i = 0; i < blocks_.size(); ++i) {
    rows.state = state.values.data() + i * 4 * width();
    run_block(blocks_[i], rows);
  }
  ++state.items;
  std::copy_n(rows.x.data(), width(), hidden);
}

LruRec::Trace LruRec::trace(History inputs) const {
  for (const int32_t item : inputs)
    if (item < 0 || item > num_items())
      throw DataError("item {} is not among the model's items 0..{}", item, num_items());
  Trace trace;
  Rows rows;
  rows.x.resize(inputs.size() * width());
  embed(inputs, rows.x.data());
  for (size_t k = 0; k < inputs.size(); ++k) rows.carried.push_back(k > 0 && inputs[k - 1] != 0);
  trace.embedding = rows.x;
  for (const LruBlock& block : blocks_) {
    run_block(block, rows);
    trace.states.push_back(rows.h);
    trace.lru_outputs.push_back(rows.y);
    trace.ffn_outputs.push_back(rows.x);
  }
  return trace;
}

}  // namespace tandem::engine
