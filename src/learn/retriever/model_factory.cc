// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/model_factory.h"

#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "learn/bert4rec/bert4rec.h"
#include "learn/lrurec/lrurec.h"
#include "learn/narm/narm.h"
#include "learn/retriever/cloze.h"
#include "learn/sasrec/sasrec.h"

namespace tandem::learn {
namespace {

std::unique_ptr<Retriever> make_on_cpu(const RetrieverConfig& config, int64_t num_items) {
  const auto seed = static_cast<uint64_t>(config.seed);
  if (config.model_type == "lrurec") {
    return std::make_unique<LruRec>(LruRecConfig{.num_items = num_items,
                                                 .width = config.width,
                                                 .num_blocks = config.blocks,
                                                 .dropout = config.dropout,
                                                 .recurrent_dropout = config.attn_dropout},
                                    seed);
  }
  const TransformerConfig transformer{.num_items = num_items,
                                      .width = config.width,
                                      .blocks = config.blocks,
                                      .heads = config.heads,
                                      .inner = config.inner,
                                      .max_length = config.max_length,
                                      .dropout = config.dropout,
                                      .attn_dropout = config.attn_dropout};
  if (config.model_type == "sasrec") return std::make_unique<SasRec>(transformer, seed);
  if (config.model_type == "bert4rec") return std::make_unique<Bert4Rec>(transformer, seed);
  if (config.model_type == "narm") {
    return std::make_unique<Narm>(NarmConfig{.num_items = num_items,
                                             .width = config.width,
                                             .dropout = config.dropout,
                                             .decoder_dropout = config.attn_dropout},
                                  seed);
  }
  throw ConfigError("model.type is '{}'; expected lrurec, sasrec, narm or bert4rec",
                    config.model_type);
}

}  // namespace

std::unique_ptr<Retriever> make_retriever(const RetrieverConfig& config, int64_t num_items,
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

std::unique_ptr<TrainingObjective> make_objective(const RetrieverConfig& config,
                                                  int64_t num_items) {
  if (config.model_type == "narm") return std::make_unique<NextOfPrefix>(config.max_length);
  if (config.model_type == "bert4rec") {
    return std::make_unique<Cloze>(ClozeOptions{.max_length = config.max_length,
                                                .num_items = num_items,
                                                .seed = static_cast<uint64_t>(config.seed),
                                                .probability = config.mask_probability,
                                                .most = config.max_masks});
  }
  return std::make_unique<NextItem>(config.max_length);
}

}  // namespace tandem::learn
