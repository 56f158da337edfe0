// SPDX-License-Identifier: Apache-2.0
#include "learn/lrurec/lrurec.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/sin.h>

#include "core/error.h"
#include "learn/ops/gelu_dropout.h"
#include "learn/ops/linear.h"
#include "learn/ops/lru_scan.h"
#include "learn/parameter_init.h"

namespace tandem::learn {

void LruRecConfig::validate() const {
  const auto positive = [](const char* name, int64_t value) {
    if (value < 1) throw ConfigError("{} is {}, expected at least 1", name, value);
  };
  positive("num_items", num_items);
  positive("width", width);
  positive("num_blocks", num_blocks);
  for (const double p : {dropout, recurrent_dropout}) {
    if (!(p >= 0 && p < 1)) throw ConfigError("dropout is {}, expected at least 0 and below 1", p);
  }
}

PackedRows packed_rows(const PackedBatch& batch) {
  const at::Tensor items = batch.items.cpu().contiguous();
  const at::Tensor row_starts = batch.row_starts.cpu().contiguous();
  const int64_t positions = items.size(0), rows = row_starts.size(0) - 1;
  const int64_t* item = items.const_data_ptr<int64_t>();
  const int64_t* start = row_starts.const_data_ptr<int64_t>();
  if (rows < 1 || start[0] != 0 || start[rows] != positions) {
    throw ShapeError("batch: {} rows from {} to {}, expected to cover {} positions", rows,
                     rows < 1 ? 0 : start[0], rows < 1 ? 0 : start[rows], positions);
  }
  at::Tensor carry = at::empty({positions}, at::kByte);
  uint8_t* out = carry.data_ptr<uint8_t>();
  for (int64_t row = 0; row < rows; ++row) {
    if (start[row + 1] <= start[row]) throw ShapeError("batch: row {} is empty", row);
    out[start[row]] = 0;
    for (int64_t k = start[row] + 1; k < start[row + 1]; ++k) out[k] = item[k - 1] != 0;
  }
  return {carry.to(batch.items.device()), row_starts};
}

at::Tensor LruBlock::lambda() const {
  const at::Tensor nu = params_log.select(0, 0).exp(), theta = params_log.select(0, 1).exp();
  const at::Tensor radius = nu.neg().exp();
  return at::cat({radius * theta.cos(), radius * theta.sin()});
}

at::Tensor LruBlock::state(const at::Tensor& x, const PackedRows& rows) const {
  // x is real, so B x is one real product with the rows of Re B, then those of Im B; gamma goes
  // into both.
  const at::Tensor gamma = params_log.select(0, 2).exp();
  const at::Tensor weight = (in_weight * gamma.view({-1, 1, 1})).permute({2, 0, 1});
  const at::Tensor bias = (in_bias * gamma.view({-1, 1})).t();
  const at::Tensor u = linear(x, weight.reshape({-1, x.size(1)}), bias.reshape({-1}));
  return lru_scan(u, lambda(), rows.carry, rows.row_starts);
}

at::Tensor LruBlock::recurrence(const at::Tensor& x, const PackedRows& rows,
                                const DropoutSites& dropout) const {
  const at::Tensor h = state(x, rows);  // [P, 2H]
  // Re(C h + c) = Re C Re h - Im C Im h + Re c
  const at::Tensor weight = at::cat({out_weight.select(2, 0), out_weight.select(2, 1).neg()}, 1);
  const at::Tensor y = linear(h, weight, out_bias.select(1, 0));  // [P, D]
  return lru_norm.forward(y, x, dropout.mask(y, path + ".lru_layer.dropout.0"));
}

at::Tensor LruBlock::feed_forward(const at::Tensor& y, const DropoutSites& dropout) const {
  const at::Tensor wide = w_1.forward(y);  // [P, 4D]
  const DropoutMask mask = dropout.mask(wide, path + ".feed_forward.dropout.0");
  const at::Tensor z = w_2.forward(gelu_dropout(wide, mask.keep, mask.p));
  return ffn_norm.forward(z, y, dropout.mask(z, path + ".feed_forward.dropout.1"));
}

LruRec::LruRec(const LruRecConfig& config, uint64_t seed) : config_(config) {
  config.validate();
  const int64_t d = config.width, h = 2 * d, n = config.num_items + 1;
  const ParameterInit init(seed);
  const auto layer_norm = [&] { return LayerNorm{init.constant({d}, 1), init.constant({d}, 0)}; };
  item_embedding_ = init.normal("embedding.token.weight", {n, d});
  item_bias_ = init.normal("model.bias", {n});
  embedding_norm_ = layer_norm();
  for (int64_t i = 0; i < config.num_blocks; ++i) {
    LruBlock block;
    block.path = "model.lru_blocks." + std::to_string(i);
    const std::string& at = block.path;
    block.params_log = init.ring(at + ".lru_layer.params_log", h);
    block.in_weight = init.normal(at + ".lru_layer.in_proj.weight", {h, d, 2});
    block.in_bias = init.normal(at + ".lru_layer.in_proj.bias", {h, 2});
    block.out_weight = init.normal(at + ".lru_layer.out_proj.weight", {d, h, 2});
    block.out_bias = init.normal(at + ".lru_layer.out_proj.bias", {d, 2});
    block.lru_norm = layer_norm();
    block.w_1.weight = init.normal(at + ".feed_forward.w_1.weight", {4 * d, d});
    block.w_1.bias = init.normal(at + ".feed_forward.w_1.bias", {4 * d});
    block.w_2.weight = init.normal(at + ".feed_forward.w_2.weight", {d, 4 * d});
    block.w_2.bias = init.normal(at + ".feed_forward.w_2.bias", {d});
    block.ffn_norm = layer_norm();
    blocks_.push_back(block);
  }
  for (const NamedParameter& parameter : parameters()) parameter.value.set_requires_grad(true);
}

std::vector<NamedParameter> LruRec::parameters() const {
  std::vector<NamedParameter> all;
  const auto layer_norm = [&](const std::string& path, const LayerNorm& norm) {
    all.push_back({path + ".layer_norm.weight", norm.weight});
    all.push_back({path + ".layer_norm.bias", norm.bias});
  };
  all.push_back({"embedding.token.weight", item_embedding_});
  layer_norm("embedding", embedding_norm_);
  all.push_back({"model.bias", item_bias_});
  for (const LruBlock& block : blocks_) {
    const std::string lru = block.path + ".lru_layer";
    const std::string ffn = block.path + ".feed_forward";
    all.push_back({lru + ".params_log", block.params_log});
    all.push_back({lru + ".in_proj.weight", block.in_weight});
    all.push_back({lru + ".in_proj.bias", block.in_bias});
    all.push_back({lru + ".out_proj.weight", block.out_weight});
    all.push_back({lru + ".out_proj.bias", block.out_bias});
    layer_norm(lru, block.lru_norm);
    all.push_back({ffn + ".w_1.weight", block.w_1.weight});
    all.push_back({ffn + ".w_1.bias", block.w_1.bias});
    all.push_back({ffn + ".w_2.weight", block.w_2.weight});
    all.push_back({ffn + ".w_2.bias", block.w_2.bias});
    layer_norm(ffn, block.ffn_norm);
  }
  return all;
}

bool LruRec::decayed(std::string_view name) const {
  return name.find("bias") == name.npos && name.find("layer_norm") == name.npos;
}

at::Tensor LruRec::embed(const at::Tensor& items, const DropoutRng* dropout) const {
  const at::Tensor x = at::embedding(item_embedding_, items);  // [P, D]
  const DropoutSites sites{dropout, config_.dropout, items.size(0)};
  return embedding_norm_.forward(x, {}, sites.mask(x, "embedding.embed_dropout.0"));
}

at::Tensor LruRec::hidden(const PackedBatch& batch, const DropoutRng* dropout) const {
  const PackedRows rows = packed_rows(batch);
  const int64_t positions = batch.items.size(0);
  const DropoutSites recurrent{dropout, config_.recurrent_dropout, positions},
      feed_forward{dropout, config_.dropout, positions};
  at::Tensor x = embed(batch.items, dropout);  // [P, D]
  for (const LruBlock& block : blocks_) {
    const at::Tensor y = block.recurrence(x, rows, recurrent);
    x = block.feed_forward(y, feed_forward);
  }
  return batch.at_wanted(x);
}

}  // namespace tandem::learn
