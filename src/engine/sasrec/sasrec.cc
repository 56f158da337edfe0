// SPDX-License-Identifier: Apache-2.0
#include "engine/sasrec/sasrec.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "engine/kernels/gelu.h"
#include "engine/ops/attend.h"

namespace tandem {
namespace {

constexpr float kNormEps = 1e-12f;

LayerNormWeights norm(const RetrieverWeights& weights, const std::string& name) {
  return layer_norm_parameters(weights, name, kNormEps);
}

void add(std::vector<float>& x, const float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] += y[i];
}

}  // namespace

SasRecBlock::SasRecBlock(const RetrieverWeights& weights, int64_t index) {
  const std::string attention = fmt::format("trm_encoder.layer.{}.multi_head_attention.", index);
  const std::string ffn = fmt::format("trm_encoder.layer.{}.feed_forward.", index);
  query = PackedLinear(weights, attention + "query");
  key = PackedLinear(weights, attention + "key");
  value = PackedLinear(weights, attention + "value");
  dense = PackedLinear(weights, attention + "dense");
  attention_norm = norm(weights, attention + "LayerNorm");
  dense_1 = PackedLinear(weights, ffn + "dense_1");
  dense_2 = PackedLinear(weights, ffn + "dense_2");
  ffn_norm = norm(weights, ffn + "LayerNorm");
}

SasRecRetriever::SasRecRetriever(const RetrieverWeights& weights)
    : Retriever(weights.config(),
                PackedMatrix(weights.values("item_embedding.weight").data(),
                             weights.config().num_items + 1, weights.config().width,
                             weights.config().width),
                {}),
      positions_(parameter(weights, "position_embedding.weight")),
      embedding_norm_(norm(weights, "LayerNorm")) {
  for (int64_t i = 0; i < config().blocks; ++i) blocks_.emplace_back(weights, i);
}

void causal_attention(const float* query, const float* key, const float* value, int64_t queries,
                      int64_t steps, int64_t width, int64_t heads, float* out) {
  for (int64_t q = 0; q < queries; ++q)
    attend(query + q * width, key, value, steps - queries + q + 1, width, heads, out + q * width);
}

void SasRecRetriever::run_block(const SasRecBlock& block, std::vector<float>& x,
                                bool last_only) const {
  const int64_t width = this->width(), steps = std::ssize(x) / width,
                queries = last_only ? 1 : steps;
  std::vector<float> key(steps * width), value(steps * width), query(queries * width),
      seen(queries * width);
  block.key.forward(x.data(), steps, key.data());
  block.value.forward(x.data(), steps, value.data());
  if (last_only) x.erase(x.begin(), x.end() - width);
  block.query.forward(x.data(), queries, query.data());
  causal_attention(query.data(), key.data(), value.data(), queries, steps, width, config().heads,
                   seen.data());

  std::vector<float> h(queries * width), inner(queries * config().inner * width);
  block.dense.forward(seen.data(), queries, h.data());
  add(h, x.data(), queries * width);
  block.attention_norm.apply(h.data(), queries);
  block.dense_1.forward(h.data(), queries, inner.data());
  gelu(inner.data(), std::ssize(inner));
  block.dense_2.forward(inner.data(), queries, x.data());
  add(x, h.data(), queries * width);
  block.ffn_norm.apply(x.data(), queries);
}

void SasRecRetriever::forward(std::span<const History> windows, float* out) const {
  for (const History& window : windows) {
    const int64_t steps = std::ssize(window);
    std::vector<float> x(steps * width());
    for (int64_t t = 0; t < steps; ++t) item_table().copy_row(window[t], x.data() + t * width());
    add(x, positions_.data() + (max_length() - steps) * width(), steps * width());
    embedding_norm_.apply(x.data(), steps);
    for (size_t i = 0; i < blocks_.size(); ++i) run_block(blocks_[i], x, i + 1 == blocks_.size());
    std::copy_n(x.data(), width(), out);
    out += width();
  }
}

}  // namespace tandem
