// SPDX-License-Identifier: Apache-2.0
#include "engine/hstu/hstu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/ops/item_table.h"
#include "engine/ops/post_norm_block.h"

namespace tandem::engine {
namespace {

constexpr float kNormEps = 1e-6f;

float silu(float x) { return x / (1 + std::exp(-x)); }

// LayerNorm without affine.
LayerNorm plain_norm(int64_t width) {
  return {.weight = std::vector<float>(width, 1.0f),
          .bias = std::vector<float>(width, 0.0f),
          .eps = kNormEps};
}

// W [D, 4 D] is stored with inputs as rows.
PackedMatrix transposed(const RetrieverWeights& weights, const std::string& name) {
  const int64_t in = weights.config().width, out = 4 * in;
  const std::span<const float> w = weights.values(name);
  std::vector<float> rows(out * in);
  for (int64_t i = 0; i < in; ++i)
    for (int64_t o = 0; o < out; ++o) rows[o * in + i] = w[i * out + o];
  return PackedMatrix(rows.data(), out, in, in);
}

HstuLayer read_layer(const RetrieverWeights& weights, int64_t index) {
  const std::string layer = fmt::format("_hstu._attention_layers.{}.", index);
  return {.uvqk = transposed(weights, layer + "_uvqk"),
          .output = PackedLinear(weights, layer + "_o"),
          .norm = plain_norm(weights.config().width)};
}

}  // namespace

void HstuLayer::apply(std::vector<float>& x, int64_t heads, int64_t max_length,
                      std::span<const uint8_t> visible, int64_t queries) const {
  const int64_t steps = std::ssize(visible), width = std::ssize(x) / steps;
  const int64_t head = width / heads, first = steps - queries;
  std::vector<float> normed = x, mixed(steps * 4 * width), seen(queries * width, 0.0f);
  norm.apply(normed.data(), steps);
  uvqk.multiply(normed.data(), width, steps, nullptr, mixed.data(), 4 * width);
  for (float& value : mixed) value = silu(value);
  const auto part = [&](int64_t step, int64_t which) {
    return mixed.data() + (step * 4 + which) * width;
  };
  for (int64_t t = first; t < steps; ++t) {
    if (visible[t] == 0) continue;
    for (int64_t s = 0; s <= t; ++s) {
      if (visible[s] == 0) continue;
      const float *q = part(t, 2), *k = part(s, 3), *v = part(s, 1);
      float* out = seen.data() + (t - first) * width;
      for (int64_t h = 0; h < width; h += head) {
        const float a = silu(chained_dot(q + h, k + h, head)) / static_cast<float>(max_length);
        for (int64_t i = h; i < h + head; ++i) out[i] += a * v[i];
      }
    }
  }
  norm.apply(seen.data(), queries);
  for (int64_t t = 0; t < queries; ++t)
    for (int64_t i = 0; i < width; ++i) seen[t * width + i] *= part(first + t, 0)[i];
  std::vector<float> result(queries * width);
  output.forward(seen.data(), queries, result.data());
  add_to(result, x.data() + first * width);
  x = std::move(result);
}

Hstu::Hstu(const RetrieverWeights& weights)
    : WindowedRetriever(weights, projected_items(weights), {}),
      positions_(parameter(weights, "position_embedding.weight")) {
  for (int64_t i = 0; i < config().blocks; ++i) layers_.push_back(read_layer(weights, i));
}

void Hstu::forward(std::span<const History> windows, float* out) const {
  for (const History& window : windows) {
    const int64_t steps = std::ssize(window);
    std::vector<float> x(steps * width());
    std::vector<uint8_t> visible(steps);
    for (int64_t t = 0; t < steps; ++t) {
      copy_item(window[t], x.data() + t * width());
      visible[t] = window[t] != 0;
    }
    add_to(x, positions_.data() + (max_length() - steps) * width());
    for (size_t i = 0; i < layers_.size(); ++i)
      layers_[i].apply(x, config().heads, max_length(), visible,
                       i + 1 < layers_.size() ? steps : 1);
    std::copy_n(x.data(), width(), out);
    out += width();
  }
}

}  // namespace tandem::engine
