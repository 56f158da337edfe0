// SPDX-License-Identifier: Apache-2.0
#include "engine/hstu/hstu.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "engine/ops/item_table.h"
#include "engine/ops/post_norm_block.h"
#include "engine/ops/silu.h"
#include "models/relative_bias.h"

namespace tandem::engine {
namespace {

constexpr float kNormEps = 1e-6f;

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
  const std::string name = fmt::format("_hstu._attention_layers.{}.", index);
  HstuLayer layer{.uvqk = transposed(weights, name + "_uvqk"),
                  .output = PackedLinear(weights, name + "_o"),
                  .norm = plain_norm(weights.config().width)};
  if (weights.config().relative_bias != 0) {
    layer.position_bias = parameter(weights, name + "_rel_attn_bias._pos_w");
    layer.time_bias = parameter(weights, name + "_rel_attn_bias._ts_w");
  }
  return layer;
}

}  // namespace

void HstuLayer::apply(std::vector<float>& x, const History& window, int64_t heads,
                      int64_t max_length, int64_t queries) const {
  const int64_t steps = std::ssize(window), width = std::ssize(x) / steps;
  const int64_t head = width / heads, first = steps - queries;
  std::vector<float> normed = x, mixed(steps * 4 * width), seen(queries * width, 0.0f);
  norm.apply(normed.data(), steps);
  uvqk.multiply(normed.data(), width, steps, nullptr, mixed.data(), 4 * width);
  for (float& value : mixed) value = silu(value);
  const auto part = [&](int64_t step, int64_t which) {
    return mixed.data() + (step * 4 + which) * width;
  };
  for (int64_t t = first; t < steps; ++t) {
    if (window[t] == 0) continue;
    for (int64_t s = 0; s <= t; ++s) {
      if (window[s] == 0) continue;
      const float bias = position_bias.empty()
                             ? 0.0f
                             : position_bias[s - t + max_length - 1] +
                                   time_bias[time_bucket(window.time(s), window.time(t))];
      const float *q = part(t, 2), *k = part(s, 3), *v = part(s, 1);
      float* out = seen.data() + (t - first) * width;
      for (int64_t h = 0; h < width; h += head) {
        const float a =
            silu(chained_dot(q + h, k + h, head) + bias) / static_cast<float>(max_length);
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
    for (int64_t t = 0; t < steps; ++t) copy_item(window[t], x.data() + t * width());
    add_to(x, positions_.data() + (max_length() - steps) * width());
    for (size_t i = 0; i < layers_.size(); ++i)
      layers_[i].apply(x, window, config().heads, max_length(), i + 1 < layers_.size() ? steps : 1);
    std::copy_n(x.data(), width(), out);
    out += width();
  }
}

}  // namespace tandem::engine
