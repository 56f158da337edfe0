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
  items_ = new_item_table(config.num_items, config.width, config.item_width, init);
  items_.add_to(parameters_);
  for (const NamedParameter& parameter : parameters_) parameter.value.set_requires_grad(true);
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
