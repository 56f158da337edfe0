// SPDX-License-Identifier: Apache-2.0
#include "learn/llmid/llmid.h"

#include <ATen/ops/zeros.h>

#include "learn/llama/weights.h"
#include "learn/parameter_init.h"
#include "models/llmid.h"

namespace tandem::learn {
namespace {

const RetrieverModelConfig& valid(const RetrieverModelConfig& config) {
  config.validate("llmid");
  return config;
}

}  // namespace

LlmId::LlmId(const RetrieverModelConfig& config, uint64_t seed)
    : trunk_(*random_weights(llmid_trunk(valid(config)), seed), {.train_base = true}) {
  const ParameterInit init(seed);
  const int64_t width = config.width,
                item_width = config.item_width > 0 ? config.item_width : width;
  const auto add = [&](const std::string& name, at::Tensor value) {
    parameters_.push_back({name, value.set_requires_grad(true)});
    return value;
  };
  items_.embedding = add("item_embedding.weight",
                         init.normal("item_embedding.weight", {config.num_items + 1, item_width}));
  if (config.item_width > 0)
    items_.projection = add("item_id_proj_tower.weight",
                            init.glorot("item_id_proj_tower.weight", width, item_width));
  for (const NamedParameter& parameter : trunk_.parameters())
    parameters_.push_back({kLlmIdTrunk + parameter.name, parameter.value});
  item_bias_ = at::zeros({config.num_items + 1}, at::kFloat);
}

at::Tensor LlmId::hidden(const PackedBatch& batch, const DropoutRng* dropout) const {
  const at::Tensor wanted = batch.wanted.defined() ? batch.wanted.cpu() : batch.wanted;
  return trunk_.hidden(items_.vectors(batch.items), PackedPositions{batch.row_starts.cpu()},
                       dropout, wanted);
}

}  // namespace tandem::learn
