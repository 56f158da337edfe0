// SPDX-License-Identifier: Apache-2.0
#include "engine/sasrec/sasrec.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "engine/ops/attention.h"

namespace tandem::engine {
namespace {

constexpr float kNormEps = 1e-12f;

LayerNorm norm(const RetrieverWeights& weights, const std::string& name) {
  return layer_norm_parameters(weights, name, kNormEps);
}

PostNormBlock read_block(const RetrieverWeights& weights, int64_t index) {
  const std::string attention = fmt::format("trm_encoder.layer.{}.multi_head_attention.", index);
  const std::string ffn = fmt::format("trm_encoder.layer.{}.feed_forward.", index);
  return {.query = PackedLinear(weights, attention + "query"),
          .key = PackedLinear(weights, attention + "key"),
          .value = PackedLinear(weights, attention + "value"),
          .output = PackedLinear(weights, attention + "dense"),
          .w_1 = PackedLinear(weights, ffn + "dense_1"),
          .w_2 = PackedLinear(weights, ffn + "dense_2"),
          .attention_norm = norm(weights, attention + "LayerNorm"),
          .output_norm = norm(weights, ffn + "LayerNorm")};
}

}  // namespace

SasRec::SasRec(const RetrieverWeights& weights)
    : WindowedRetriever(weights,
                        PackedMatrix(weights.values("item_embedding.weight").data(),
                                     weights.config().num_items + 1, weights.config().width,
                                     weights.config().width),
                        {}),
      positions_(parameter(weights, "position_embedding.weight")),
      embedding_norm_(norm(weights, "LayerNorm")) {
  for (int64_t i = 0; i < config().blocks; ++i) blocks_.push_back(read_block(weights, i));
}

void SasRec::forward(std::span<const History> windows, float* out) const {
  for (const History& window : windows) {
    const int64_t steps = std::ssize(window);
    std::vector<float> x(steps * width());
    for (int64_t t = 0; t < steps; ++t) copy_item(window[t], x.data() + t * width());
    add_to(x, positions_.data() + (max_length() - steps) * width());
    embedding_norm_.apply(x.data(), steps);
    encode_last(blocks_, x, config().heads, causal_ranges(0, steps));
    std::copy_n(x.data(), width(), out);
    out += width();
  }
}

}  // namespace tandem::engine
