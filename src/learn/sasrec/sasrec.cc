// SPDX-License-Identifier: Apache-2.0
#include "learn/sasrec/sasrec.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/rng.h"
#include "learn/ops/dropout.h"
#include "learn/ops/gelu_dropout.h"
#include "learn/ops/linear.h"
#include "learn/ops/residual_layer_norm.h"

namespace tandem::learn {
namespace {

constexpr double kNormEps = 1e-12;

}  // namespace

// Where packed position p stands in a [B, T] grid of rows, T the longest row.
struct SasRec::Layout {
  int64_t rows = 0, longest = 0;
  at::Tensor cell;      // [P] row * T + step of each packed position
  at::Tensor position;  // [B T] packed position of each cell; any for a cell past its row's end
  at::Tensor step;      // [P]
  at::Tensor hidden;    // [B, 1, T, T] bool, query x key: what a query must not see

  explicit Layout(const PackedBatch& batch) {
    const at::Tensor starts = batch.row_starts;
    rows = starts.size(0) - 1;
    const at::Tensor begin = starts.narrow(0, 0, rows);
    const at::Tensor lengths = starts.narrow(0, 1, rows) - begin;  // [B]
    longest = lengths.max().item<int64_t>();
    const auto options = batch.items.options();
    const at::Tensor all = at::arange(batch.items.size(0), options);
    const at::Tensor row = at::arange(rows, options).repeat_interleave(lengths);  // [P]
    step = all - begin.index_select(0, row);
    cell = row * longest + step;
    const at::Tensor steps = at::arange(longest, options);
    const at::Tensor grid = begin.unsqueeze(1) + steps.unsqueeze(0);  // [B, T]
    position = grid.clamp_max(batch.items.size(0) - 1).reshape({-1});
    const at::Tensor padding = batch.items.index_select(0, position).view({rows, longest}).eq(0);
    const at::Tensor later = steps.unsqueeze(0).gt(steps.unsqueeze(1));  // [T, T]
    const at::Tensor other = steps.unsqueeze(0).ne(steps.unsqueeze(1));
    hidden = later.logical_or(padding.unsqueeze(1).logical_and(other)).unsqueeze(1);
  }
};

SasRec::SasRec(const TransformerConfig& config, uint64_t seed) : config_(config) {
  config_.validate("sasrec", 1);
  const int64_t width = config_.width, inner = config_.inner * config_.width;
  item_embedding_ = add("item_embedding.weight", {config_.num_items + 1, width});
  position_embedding_ = add("position_embedding.weight", {config_.max_length, width});
  for (int64_t i = 0; i < config_.blocks; ++i) {
    const std::string layer = fmt::format("trm_encoder.layer.{}.", i);
    Block block;
    block.query = add_linear(layer + "multi_head_attention.query", width, width);
    block.key = add_linear(layer + "multi_head_attention.key", width, width);
    block.value = add_linear(layer + "multi_head_attention.value", width, width);
    block.dense = add_linear(layer + "multi_head_attention.dense", width, width);
    block.attention_norm = add_norm(layer + "multi_head_attention.LayerNorm");
    block.dense_1 = add_linear(layer + "feed_forward.dense_1", inner, width);
    block.dense_2 = add_linear(layer + "feed_forward.dense_2", width, inner);
    block.ffn_norm = add_norm(layer + "feed_forward.LayerNorm");
    blocks_.push_back(block);
  }
  embedding_norm_ = add_norm("LayerNorm");
  item_bias_ = at::zeros({config_.num_items + 1}, at::kFloat);

  at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& value = parameters_[i].value;
    if (!decayed(parameters_[i].name)) continue;  // biases and LayerNorm keep their constants
    Rng rng(seed, RngPurpose::kInit, 0, i);
    float* data = value.data_ptr<float>();
    for (int64_t k = 0; k < value.numel(); ++k) data[k] = static_cast<float>(0.02 * rng.normal());
  }
  for (const NamedParameter& parameter : parameters_) parameter.value.set_requires_grad(true);
}

at::Tensor SasRec::Linear::apply(const at::Tensor& x) const { return linear(x, weight, bias); }

at::Tensor SasRec::add(const std::string& name, std::vector<int64_t> shape) {
  parameters_.push_back({name, at::zeros(shape, at::kFloat)});
  return parameters_.back().value;
}

SasRec::Linear SasRec::add_linear(const std::string& name, int64_t out, int64_t in) {
  return {add(name + ".weight", {out, in}), add(name + ".bias", {out})};
}

SasRec::Norm SasRec::add_norm(const std::string& name) {
  const Norm norm{add(name + ".weight", {config_.width}), add(name + ".bias", {config_.width})};
  norm.weight.fill_(1);
  return norm;
}

bool SasRec::decayed(std::string_view name) const {
  return name.find("bias") == name.npos && name.find("LayerNorm") == name.npos;
}

at::Tensor SasRec::attention(const Block& block, const std::string& site, const at::Tensor& x,
                             const Layout& layout, const DropoutRng* rng) const {
  const int64_t heads = config_.heads, size = config_.width / heads;
  const auto to_grid = [&](const Linear& projection) {
    return projection.apply(x)
        .index_select(0, layout.position)
        .view({layout.rows, layout.longest, heads, size})
        .transpose(1, 2);  // [B, heads, T, size]
  };
  const at::Tensor scores = at::matmul(to_grid(block.query), to_grid(block.key).transpose(2, 3)) /
                            std::sqrt(static_cast<double>(size));
  at::Tensor weights =
      at::softmax(scores.masked_fill(layout.hidden, -std::numeric_limits<float>::infinity()), -1);
  if (rng != nullptr && config_.attn_dropout > 0) {
    // Drawn per packed query, so that a row has the same mask in whatever batch it stands.
    const at::Tensor keep =
        rng->keep(site, x.size(0), heads * config_.max_length, config_.attn_dropout)
            .to(x.device())
            .view({-1, heads, config_.max_length})
            .narrow(2, 0, layout.longest)
            .index_select(0, layout.position)
            .view({layout.rows, layout.longest, heads, layout.longest})
            .transpose(1, 2);
    weights = dropout(weights, keep.contiguous(), config_.attn_dropout);
  }
  return at::matmul(weights, to_grid(block.value))  // [B, heads, T, size]
      .transpose(1, 2)
      .reshape({layout.rows * layout.longest, config_.width})
      .index_select(0, layout.cell);
}

at::Tensor SasRec::hidden(const PackedBatch& batch, const DropoutRng* rng) const {
  const Layout layout(batch);
  if (layout.longest > config_.max_length) {
    throw ShapeError("sasrec: a row has {} inputs, max_length is {}", layout.longest,
                     config_.max_length);
  }
  const bool dropped = rng != nullptr && config_.dropout > 0;
  // LayerNorm(dropout(x) + residual)
  const auto join = [&](const at::Tensor& x, const at::Tensor& residual, const std::string& site,
                        const Norm& norm) {
    const at::Tensor keep =
        dropped ? rng->keep(site, x.size(0), x.size(1), config_.dropout) : at::Tensor();
    return residual_layer_norm(x, residual, keep, dropped ? config_.dropout : 0, norm.weight,
                               norm.bias, kNormEps);
  };
  const at::Tensor starts = batch.row_starts;
  const at::Tensor lengths = starts.narrow(0, 1, layout.rows) - starts.narrow(0, 0, layout.rows);
  const at::Tensor slot = layout.step + (config_.max_length - lengths).repeat_interleave(lengths);
  at::Tensor x = item_embedding_.index_select(0, batch.items) +
                 position_embedding_.index_select(0, slot);  // [P, D]
  x = at::layer_norm(x, {config_.width}, embedding_norm_.weight, embedding_norm_.bias, kNormEps);
  if (dropped) {
    x = dropout(x, rng->keep("embedding", x.size(0), x.size(1), config_.dropout), config_.dropout);
  }
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const std::string site = fmt::format("layer.{}.", i);
    const at::Tensor seen = attention(block, site + "attention", x, layout, rng);
    const at::Tensor h = join(block.dense.apply(seen), x, site + "dense", block.attention_norm);
    const at::Tensor inner = gelu_dropout(block.dense_1.apply(h), {}, 0);
    x = join(block.dense_2.apply(inner), h, site + "ffn", block.ffn_norm);
  }
  return batch.at_wanted(x);
}

}  // namespace tandem::learn
