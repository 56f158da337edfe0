// SPDX-License-Identifier: Apache-2.0
#include "learn/narm/narm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"
#include "learn/modules/dropout_sites.h"
#include "learn/ops/additive_attention.h"
#include "learn/ops/gru.h"
#include "learn/ops/linear.h"
#include "learn/parameter_init.h"

namespace tandem::learn {

void NarmConfig::validate() const {
  if (num_items < 1) throw ConfigError("narm: {} items; expected at least 1", num_items);
  if (width < 1) throw ConfigError("narm: width is {}; expected at least 1", width);
  for (const double p : {dropout, decoder_dropout}) {
    if (!(p >= 0 && p < 1)) throw ConfigError("narm: dropout is {}; expected 0 <= p < 1", p);
  }
}

Narm::Narm(const NarmConfig& config, uint64_t seed) : config_(config) {
  config.validate();
  const int64_t d = config.width, h = 2 * d;
  const ParameterInit init(seed);
  item_embedding_ = init.normal("embedding.token.weight", {config.num_items + 1, d});
  weight_ih_ = init.normal("model.gru.weight_ih_l0", {3 * h, d});
  weight_hh_ = init.normal("model.gru.weight_hh_l0", {3 * h, h});
  bias_ih_ = init.normal("model.gru.bias_ih_l0", {3 * h});
  bias_hh_ = init.normal("model.gru.bias_hh_l0", {3 * h});
  a_global_ = init.normal("model.a_global.weight", {h, h});
  a_local_ = init.normal("model.a_local.weight", {h, h});
  v_ = init.normal("model.v_vector.weight", {1, h});
  b_ = init.normal("model.b_vetor.weight", {2 * h, d});
  for (const NamedParameter& parameter : parameters()) parameter.value.set_requires_grad(true);
}

std::vector<NamedParameter> Narm::parameters() const {
  return {{"embedding.token.weight", item_embedding_},
          {"model.gru.weight_ih_l0", weight_ih_},
          {"model.gru.weight_hh_l0", weight_hh_},
          {"model.gru.bias_ih_l0", bias_ih_},
          {"model.gru.bias_hh_l0", bias_hh_},
          {"model.a_global.weight", a_global_},
          {"model.a_local.weight", a_local_},
          {"model.v_vector.weight", v_},
          {"model.b_vetor.weight", b_}};
}

at::Tensor Narm::item_bias() const {
  return at::zeros({item_embedding_.size(0)}, item_embedding_.options().requires_grad(false));
}

bool Narm::decayed(std::string_view name) const { return name.find("bias") == name.npos; }

at::Tensor Narm::hidden(const PackedBatch& batch, const DropoutRng* rng) const {
  const int64_t positions = batch.items.size(0);
  at::Tensor x = at::embedding(item_embedding_, batch.items);  // [P, D]
  const DropoutSites inputs{rng, config_.dropout, positions},
      decoder{rng, config_.decoder_dropout, positions, batch.wanted};
  x = inputs.apply(x, "embedding.embed_dropout");
  const at::Tensor h = gru(x, weight_ih_, weight_hh_, bias_ih_, bias_hh_, batch.row_starts);
  const at::Tensor global = batch.at_wanted(h);  // [Q, 2D]
  const at::Tensor local =
      additive_attention(learn::linear(global, a_global_, {}), learn::linear(h, a_local_, {}), h,
                         v_.reshape({-1}), batch.row_starts, batch.wanted);
  at::Tensor both = at::cat({global, local}, 1);  // [Q, 4D]
  both = decoder.apply(both, "model.proj_dropout");
  return learn::linear(both, b_.t().contiguous(), {});  // [Q, D]
}

}  // namespace tandem::learn
