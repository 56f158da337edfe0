// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/model_factory.h"

#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "learn/lrurec/lrurec.h"
#include "learn/sasrec/sasrec.h"

namespace tandem {
namespace {

std::unique_ptr<RetrieverModel> make_on_cpu(const RetrieverConfig& config, int64_t num_items) {
  const auto seed = static_cast<uint64_t>(config.seed);
  if (config.model_type == "lrurec") {
    return std::make_unique<LruRec>(LruRecConfig{.num_items = num_items,
                                                 .width = config.width,
                                                 .num_blocks = config.blocks,
                                                 .dropout = config.dropout,
                                                 .recurrent_dropout = config.attn_dropout},
                                    seed);
  }
  if (config.model_type == "sasrec") {
    return std::make_unique<SasRec>(SasRecConfig{.num_items = num_items,
                                                 .width = config.width,
                                                 .blocks = config.blocks,
                                                 .heads = config.heads,
                                                 .inner = config.inner,
                                                 .max_length = config.max_length,
                                                 .dropout = config.dropout,
                                                 .attn_dropout = config.attn_dropout},
                                    seed);
  }
  throw ConfigError("model.type is '{}'; expected lrurec or sasrec", config.model_type);
}

}  // namespace

std::unique_ptr<RetrieverModel> make_retriever(const RetrieverConfig& config, int64_t num_items,
                                               const std::string& device) {
  auto model = make_on_cpu(config, num_items);
  if (device != "cpu") {
    at::NoGradGuard no_grad;
    // The handles share their tensor with the model, so it moves along.
    for (NamedParameter& parameter : model->parameters()) {
      parameter.value.set_data(parameter.value.to(at::Device(device)));
    }
  }
  return model;
}

}  // namespace tandem
