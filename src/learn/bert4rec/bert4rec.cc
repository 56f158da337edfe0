// SPDX-License-Identifier: Apache-2.0
#include "learn/bert4rec/bert4rec.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "core/error.h"
#include "learn/modules/packed_rows.h"
#include "learn/ops/gelu_dropout.h"
#include "learn/parameter_init.h"

namespace tandem::learn {
namespace {

constexpr double kNormEps = 1e-12;

}  // namespace

Bert4Rec::Bert4Rec(const TransformerConfig& config, uint64_t seed) : config_(config) {
  config.validate("bert4rec", 2);
  const int64_t width = config.width, classes = config.num_items + 2;
  const ParameterInit init(seed);
  const auto add = [&](const std::string& name, const at::Tensor& value) {
    parameters_.push_back({name, value});
    return value;
  };
  const auto add_linear = [&](const std::string& name, int64_t out, int64_t in) {
    return Linear{add(name + ".weight", init.normal(name + ".weight", {out, in})),
                  add(name + ".bias", init.normal(name + ".bias", {out}))};
  };
  const auto add_norm = [&](const std::string& name) {
    return LayerNorm{add(name + ".layer_norm.weight", init.constant({width}, 1)),
                     add(name + ".layer_norm.bias", init.constant({width}, 0)), kNormEps,
                     std::sqrt((width - 1.0) / width)};  // the unbiased deviation
  };
  const auto add_table = [&](const std::string& name, int64_t rows) {
    return add(name, init.unit_normal(name, {rows, width}));
  };
  item_embedding_ = add_table("embedding.token.weight", classes);
  item_embedding_[0].zero_();
  position_embedding_ = add_table("embedding.position.pe.weight", config.max_length + 1);
  embedding_norm_ = add_norm("embedding");
  item_bias_ = add("model.bias", init.normal("model.bias", {classes}));
  for (int64_t i = 0; i < config.blocks; ++i) {
    const std::string path = fmt::format("model.transformer_blocks.{}.", i);
    PostNormBlock block;
    block.query = add_linear(path + "attention.linear_layers.0", width, width);
    block.key = add_linear(path + "attention.linear_layers.1", width, width);
    block.value = add_linear(path + "attention.linear_layers.2", width, width);
    block.output = add_linear(path + "attention.output_linear", width, width);
    block.w_1 = add_linear(path + "feed_forward.w_1", config.inner * width, width);
    block.w_2 = add_linear(path + "feed_forward.w_2", width, config.inner * width);
    block.attention_norm = add_norm(path + "input_sublayer");
    block.output_norm = add_norm(path + "output_sublayer");
    const std::string site = fmt::format("transformer_blocks.{}.", i);
    block.attention_site = site + "attention";
    block.output_site = site + "input_sublayer";
    block.ffn_site = site + "output_sublayer";
    blocks_.push_back(block);
  }
  head_ = add_linear("model.linear", width, width);
  for (const NamedParameter& parameter : parameters_) parameter.value.set_requires_grad(true);
}

bool Bert4Rec::decayed(std::string_view name) const {
  return name.find("bias") == name.npos && name.find("layer_norm") == name.npos;
}

at::Tensor Bert4Rec::hidden(const PackedBatch& batch, const DropoutRng* rng) const {
  const int64_t positions = batch.items.size(0);
  PostNormBlock::Pass pass =
      post_norm_pass("bert4rec", config_, row_ranges(batch.row_starts), positions, rng);
  const at::Tensor step = count_positions(batch.row_starts, positions) + 1;
  at::Tensor x = embedding_norm_.forward(
      at::embedding(item_embedding_, batch.items),
      at::embedding(position_embedding_, step.to(batch.items.device())));  // [P, D]
  x = encode(blocks_, x, std::move(pass), batch.wanted,
             [&] { return row_ranges(batch.row_starts, batch.wanted); });
  return gelu_dropout(head_.forward(x), {}, 0);
}

}  // namespace tandem::learn
