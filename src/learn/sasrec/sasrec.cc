// SPDX-License-Identifier: Apache-2.0
#include "learn/sasrec/sasrec.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <utility>

#include "core/rng.h"
#include "learn/modules/window.h"

namespace tandem::learn {
namespace {

constexpr double kNormEps = 1e-12;

// Causal, but that nobody sees padding at a row's start save itself.
KeyRanges visible(const PackedBatch& batch, const at::Tensor& wanted) {
  KeyRanges ranges = item_ranges("sasrec", batch, wanted);
  ranges.begin = ranges.begin.minimum(ranges.end - 1);
  return ranges;
}

}  // namespace

SasRec::SasRec(const TransformerConfig& config, uint64_t seed) : config_(config) {
  config_.validate("sasrec", 1);
  const int64_t width = config_.width, inner = config_.inner * config_.width;
  const auto add = [&](const std::string& name, at::Tensor value) {
    parameters_.push_back({name, value});
    return value;
  };
  const auto add_matrix = [&](const std::string& name, int64_t rows, int64_t columns) {
    Rng rng(seed, RngPurpose::kInit, 0, parameters_.size());
    at::Tensor value = at::empty({rows, columns}, at::kFloat);
    float* data = value.data_ptr<float>();
    for (int64_t i = 0; i < value.numel(); ++i) data[i] = static_cast<float>(0.02 * rng.normal());
    return add(name, value);
  };
  const auto add_vector = [&](const std::string& name, int64_t size, float value) {
    return add(name, at::full({size}, value, at::kFloat));
  };
  const auto add_linear = [&](const std::string& name, int64_t out, int64_t in) {
    const at::Tensor weight = add_matrix(name + ".weight", out, in);
    return Linear{weight, add_vector(name + ".bias", out, 0)};
  };
  const auto add_norm = [&](const std::string& name) {
    const at::Tensor weight = add_vector(name + ".weight", width, 1);
    return LayerNorm{weight, add_vector(name + ".bias", width, 0), kNormEps};
  };
  item_embedding_ = add_matrix("item_embedding.weight", config_.num_items + 1, width);
  position_embedding_ = add_matrix("position_embedding.weight", config_.max_length, width);
  for (int64_t i = 0; i < config_.blocks; ++i) {
    const std::string layer = fmt::format("trm_encoder.layer.{}.", i);
    const std::string attention = layer + "multi_head_attention.", ffn = layer + "feed_forward.";
    PostNormBlock block;
    block.query = add_linear(attention + "query", width, width);
    block.key = add_linear(attention + "key", width, width);
    block.value = add_linear(attention + "value", width, width);
    block.output = add_linear(attention + "dense", width, width);
    block.attention_norm = add_norm(attention + "LayerNorm");
    block.w_1 = add_linear(ffn + "dense_1", inner, width);
    block.w_2 = add_linear(ffn + "dense_2", width, inner);
    block.output_norm = add_norm(ffn + "LayerNorm");
    block.attention_site = fmt::format("layer.{}.attention", i);
    block.output_site = fmt::format("layer.{}.dense", i);
    block.ffn_site = fmt::format("layer.{}.ffn", i);
    blocks_.push_back(block);
  }
  embedding_norm_ = add_norm("LayerNorm");
  item_bias_ = at::zeros({config_.num_items + 1}, at::kFloat);
  for (const NamedParameter& parameter : parameters_) parameter.value.set_requires_grad(true);
}

bool SasRec::decayed(std::string_view name) const {
  return name.find("bias") == name.npos && name.find("LayerNorm") == name.npos;
}

at::Tensor SasRec::hidden(const PackedBatch& batch, const DropoutRng* rng) const {
  const int64_t positions = batch.items.size(0);
  PostNormBlock::Pass pass = post_norm_pass("sasrec", config_, visible(batch, {}), positions, rng);
  const at::Tensor slot = last_slots("sasrec", batch, config_.max_length);
  const at::Tensor x = at::embedding(item_embedding_, batch.items) +
                       at::embedding(position_embedding_, slot);  // [P, D]
  return encode(blocks_, embedding_norm_.forward(x, {}), std::move(pass), batch.wanted,
                [&] { return visible(batch, batch.wanted); });
}

}  // namespace tandem::learn
