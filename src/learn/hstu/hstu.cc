// SPDX-License-Identifier: Apache-2.0
#include "learn/hstu/hstu.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "core/error.h"
#include "learn/modules/window.h"
#include "learn/ops/silu_attention.h"
#include "learn/parameter_init.h"
#include "models/relative_bias.h"

namespace tandem::learn {
namespace {

constexpr double kNormEps = 1e-6;

at::Tensor plain_norm(const at::Tensor& x) {
  return at::layer_norm(x, x.size(1), {}, {}, kNormEps);
}

}  // namespace

void HstuConfig::validate() const {
  const std::pair<const char*, int64_t> counts[] = {{"num_items", num_items},
                                                    {"width", width},
                                                    {"blocks", blocks},
                                                    {"heads", heads},
                                                    {"max_length", max_length}};
  for (const auto& [name, value] : counts)
    if (value < 1) throw ConfigError("hstu: {} is {}, expected 1 or more", name, value);
  if (item_width < 0) throw ConfigError("hstu: item_width is {}, expected 0 or more", item_width);
  if (width % heads != 0)
    throw ConfigError("hstu: width {} is not a multiple of {} heads", width, heads);
  if (!(dropout >= 0 && dropout < 1))
    throw ConfigError("hstu: dropout is {}; expected 0 <= p < 1", dropout);
}

at::Tensor HstuLayer::forward(const at::Tensor& x, const KeyRanges& ranges,
                              const at::Tensor& wanted, const BiasRows& rows,
                              const HstuConfig& config, const DropoutSites& dropout) const {
  const auto asking = [&](const at::Tensor& of_all) {
    return wanted.defined() ? of_all.index_select(0, wanted) : of_all;
  };
  const std::vector<at::Tensor> parts =
      at::silu(at::matmul(plain_norm(x), uvqk)).split(config.width, 1);  // each [P, D]
  const at::Tensor seen = silu_attention(config.heads, asking(parts[2]), parts[3], parts[1], ranges,
                                         static_cast<double>(config.max_length),
                                         bias ? bias->of(rows) : at::Tensor());  // [Q, D]
  const at::Tensor gated = asking(parts[0]) * plain_norm(seen);
  return output.forward(dropout.at(wanted).apply(gated, site)) + asking(x);
}

Hstu::Hstu(const HstuConfig& config, uint64_t seed) : config_(config) {
  config_.validate();
  const ParameterInit init(seed);
  const int64_t width = config_.width;
  const auto add = [&](const std::string& name, at::Tensor value) {
    parameters_.push_back({name, value});
    return value;
  };
  items_ = new_item_table(config_.num_items, width, config_.item_width, init);
  items_.add_to(parameters_);
  const std::string positions = "position_embedding.weight";
  position_embedding_ = add(positions, init.normal(positions, {config_.max_length + 1, width}));
  for (int64_t i = 0; i < config_.blocks; ++i) {
    const std::string layer = fmt::format("_hstu._attention_layers.{}.", i);
    const std::string uvqk = layer + "_uvqk";
    HstuLayer block;
    block.uvqk = add(uvqk, init.unit_normal(uvqk, {width, 4 * width}).mul_(0.02));
    const std::string output = layer + "_o.weight";
    block.output.weight = add(output, init.glorot(output, width, width));
    block.output.bias = add(layer + "_o.bias", at::zeros({width}, at::kFloat));
    if (config_.relative_bias) {
      const std::string time = layer + "_rel_attn_bias._ts_w",
                        position = layer + "_rel_attn_bias._pos_w";
      block.bias = RelativeBias{
          .position = add(position, init.normal(position, {2 * config_.max_length - 1})),
          .time = add(time, init.normal(time, {kTimeBuckets}))};
    }
    block.site = fmt::format("layer.{}.gated", i);
    layers_.push_back(block);
  }
  item_bias_ = at::zeros({config_.num_items + 1}, at::kFloat);
  for (const NamedParameter& parameter : parameters_) parameter.value.set_requires_grad(true);
}

at::Tensor Hstu::hidden(const PackedBatch& batch, const DropoutRng* rng) const {
  const DropoutSites dropout{.rng = rng, .p = config_.dropout, .positions = batch.items.size(0)};
  const KeyRanges all = item_ranges("hstu", batch, {});
  at::Tensor x = items_.vectors(batch.items) +
                 at::embedding(position_embedding_, last_slots("hstu", batch, config_.max_length));
  const auto rows = [&](const KeyRanges& ranges) {
    return config_.relative_bias ? bias_rows(batch, ranges, config_.max_length) : BiasRows();
  };
  const BiasRows all_rows = rows(all);
  for (size_t i = 0; i + 1 < layers_.size(); ++i)
    x = layers_[i].forward(x, all, {}, all_rows, config_, dropout);  // [P, D]
  if (!batch.wanted.defined())
    return layers_.back().forward(x, all, {}, all_rows, config_, dropout);
  const KeyRanges asked = item_ranges("hstu", batch, batch.wanted);
  return layers_.back().forward(x, asked, batch.wanted, rows(asked), config_, dropout);  // [Q, D]
}

}  // namespace tandem::learn
