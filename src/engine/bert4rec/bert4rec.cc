// SPDX-License-Identifier: Apache-2.0
#include "engine/bert4rec/bert4rec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/check.h"
#include "engine/kernels/gelu.h"
#include "engine/ops/attention.h"

namespace tandem::engine {
namespace {

constexpr float kNormEps = 1e-12f;

// The model divides by the unbiased deviation, LayerNorm by the biased one.
LayerNorm norm(const RetrieverWeights& weights, const std::string& name) {
  LayerNorm norm = layer_norm_parameters(weights, name + ".layer_norm", kNormEps);
  const auto width = static_cast<double>(norm.weight.size());
  for (float& weight : norm.weight) weight *= static_cast<float>(std::sqrt((width - 1) / width));
  return norm;
}

PostNormBlock read_block(const RetrieverWeights& weights, int64_t index) {
  const std::string path = fmt::format("model.transformer_blocks.{}.", index);
  return {.query = PackedLinear(weights, path + "attention.linear_layers.0"),
          .key = PackedLinear(weights, path + "attention.linear_layers.1"),
          .value = PackedLinear(weights, path + "attention.linear_layers.2"),
          .output = PackedLinear(weights, path + "attention.output_linear"),
          .w_1 = PackedLinear(weights, path + "feed_forward.w_1"),
          .w_2 = PackedLinear(weights, path + "feed_forward.w_2"),
          .attention_norm = norm(weights, path + "input_sublayer"),
          .output_norm = norm(weights, path + "output_sublayer")};
}

// Every position sees the whole row.
std::vector<KeyRange> all_of_row(History inputs) {
  return std::vector<KeyRange>(inputs.size(), {0, std::ssize(inputs)});
}

std::vector<float> scored_biases(const RetrieverWeights& weights) {
  std::vector<float> all = parameter(weights, "model.bias");
  all.resize(weights.config().num_items + 1);
  return all;
}

}  // namespace

Bert4Rec::Bert4Rec(const RetrieverWeights& weights)
    : WindowedRetriever(weights,
                        PackedMatrix(weights.values("embedding.token.weight").data(),
                                     weights.config().num_items + 1, weights.config().width,
                                     weights.config().width),
                        scored_biases(weights)),
      positions_(parameter(weights, "embedding.position.pe.weight")),
      embedding_norm_(norm(weights, "embedding")),
      head_(weights, "model.linear") {
  const std::span<const float> last = weights.values("embedding.token.weight").last(width());
  mask_.assign(last.begin(), last.end());
  for (int64_t i = 0; i < config().blocks; ++i) blocks_.push_back(read_block(weights, i));
}

std::vector<float> Bert4Rec::embed(History inputs) const {
  const int64_t steps = std::ssize(inputs);
  TANDEM_CHECK(steps <= max_length(), "{} inputs", steps);
  std::vector<float> x(steps * width());
  for (int64_t t = 0; t < steps; ++t) {
    float* row = x.data() + t * width();
    if (inputs[t] > num_items()) {
      std::ranges::copy(mask_, row);
    } else {
      item_table().copy_row(inputs[t], row);
    }
  }
  add_to(x, positions_.data() + width());  // steps count from 1
  embedding_norm_.apply(x.data(), steps);
  return x;
}

void Bert4Rec::head(std::vector<float>& x) const {
  std::vector<float> hidden(x.size());
  head_.forward(x.data(), std::ssize(x) / width(), hidden.data());
  gelu(hidden.data(), std::ssize(hidden));
  x = std::move(hidden);
}

std::vector<float> Bert4Rec::trace(History inputs) const {
  std::vector<float> x = embed(inputs);
  const std::vector<KeyRange> ranges = all_of_row(inputs);
  for (const PostNormBlock& block : blocks_) block.apply(x, config().heads, ranges);
  head(x);
  return x;
}

void Bert4Rec::forward(std::span<const History> windows, float* out) const {
  for (const History& window : windows) {
    std::vector<int32_t> inputs;
    for (const int32_t item : window)
      if (item != 0) inputs.push_back(item);  // a new user's row is the mask alone
    inputs.push_back(static_cast<int32_t>(num_items() + 1));
    std::vector<float> x = embed(inputs);
    encode_last(blocks_, x, config().heads, all_of_row(inputs));
    head(x);
    std::ranges::copy(x, out);
    out += width();
  }
}

}  // namespace tandem::engine
