// SPDX-License-Identifier: Apache-2.0
#include "learn/bert4rec/bert4rec.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "learn/ops/dropout.h"
#include "learn/ops/full_attention.h"
#include "learn/ops/gelu_dropout.h"
#include "learn/ops/linear.h"
#include "learn/ops/residual_layer_norm.h"
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
    return Norm{add(name + ".layer_norm.weight", init.constant({width}, 1)),
                add(name + ".layer_norm.bias", init.constant({width}, 0))};
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
    Block block;
    block.query = add_linear(path + "attention.linear_layers.0", width, width);
    block.key = add_linear(path + "attention.linear_layers.1", width, width);
    block.value = add_linear(path + "attention.linear_layers.2", width, width);
    block.output = add_linear(path + "attention.output_linear", width, width);
    block.w_1 = add_linear(path + "feed_forward.w_1", config.inner * width, width);
    block.w_2 = add_linear(path + "feed_forward.w_2", width, config.inner * width);
    block.input_norm = add_norm(path + "input_sublayer");
    block.output_norm = add_norm(path + "output_sublayer");
    blocks_.push_back(block);
  }
  head_ = add_linear("model.linear", width, width);
  for (const NamedParameter& parameter : parameters_) parameter.value.set_requires_grad(true);
}

bool Bert4Rec::decayed(std::string_view name) const {
  return name.find("bias") == name.npos && name.find("layer_norm") == name.npos;
}

at::Tensor Bert4Rec::Linear::apply(const at::Tensor& x) const { return linear(x, weight, bias); }

at::Tensor Bert4Rec::Norm::apply(const at::Tensor& x, const at::Tensor& residual,
                                 const at::Tensor& keep, double p) const {
  const auto width = static_cast<double>(x.size(1));
  return residual_layer_norm(x, residual, keep, p, weight * std::sqrt((width - 1) / width), bias,
                             kNormEps);
}

at::Tensor Bert4Rec::hidden(const PackedBatch& batch, const DropoutRng* rng) const {
  const at::Tensor lengths = batch.row_starts.slice(0, 1) - batch.row_starts.slice(0, 0, -1);
  const int64_t positions = batch.items.size(0), longest = lengths.max().item<int64_t>();
  if (longest > config_.max_length)
    throw ShapeError("bert4rec: a row has {} inputs, max_length is {}", longest,
                     config_.max_length);
  const double p = rng != nullptr ? config_.dropout : 0;
  const double attn_p = rng != nullptr ? config_.attn_dropout : 0;
  const at::Device device = batch.items.device();
  const auto draw = [&](const std::string& site, int64_t columns, double rate) {
    return rate > 0 ? rng->keep(site, positions, columns, rate).to(device) : at::Tensor();
  };
  const auto of_wanted = [&](const at::Tensor& x) { return x.defined() ? batch.at_wanted(x) : x; };

  const at::Tensor starts = batch.row_starts.slice(0, 0, -1).repeat_interleave(lengths);
  const at::Tensor step = at::arange(positions, batch.items.options()) - starts + 1;
  at::Tensor x = embedding_norm_.apply(at::embedding(item_embedding_, batch.items),
                                       at::embedding(position_embedding_, step), {}, 0);
  if (p > 0) x = dropout(x, draw("embedding", config_.width, p), p);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const std::string site = fmt::format("transformer_blocks.{}.", i);
    at::Tensor seen = full_attention(
        config_.heads, block.query.apply(x), block.key.apply(x), block.value.apply(x),
        batch.row_starts, draw(site + "attention", config_.heads * config_.max_length, attn_p),
        attn_p);  // [P, D]
    at::Tensor input_keep = draw(site + "input_sublayer", config_.width, p);
    at::Tensor output_keep = draw(site + "output_sublayer", config_.width, p);
    if (i + 1 == blocks_.size()) {  // the rest works position by position: [Q, D]
      for (at::Tensor* one : {&seen, &x, &input_keep, &output_keep}) *one = of_wanted(*one);
    }
    const at::Tensor h = block.input_norm.apply(block.output.apply(seen), x, input_keep, p);
    const at::Tensor inner = gelu_dropout(block.w_1.apply(h), {}, 0);
    x = block.output_norm.apply(block.w_2.apply(inner), h, output_keep, p);
  }
  return gelu_dropout(head_.apply(x), {}, 0);
}

}  // namespace tandem::learn
