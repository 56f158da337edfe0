// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/model_factory.h"

#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "learn/bert4rec/bert4rec.h"
#include "learn/hstu/hstu.h"
#include "learn/llmid/llmid.h"
#include "learn/lrurec/lrurec.h"
#include "learn/narm/narm.h"
#include "learn/retriever/cloze.h"
#include "learn/sasrec/sasrec.h"
#include "models/retriever_family.h"

namespace tandem::learn {
namespace {

uint64_t seed_of(const RetrieverConfig& config) { return static_cast<uint64_t>(config.seed); }

std::unique_ptr<Retriever> make_lrurec(const RetrieverConfig& config, int64_t num_items) {
  return std::make_unique<LruRec>(LruRecConfig{.num_items = num_items,
                                               .width = config.width,
                                               .num_blocks = config.blocks,
                                               .dropout = config.dropout,
                                               .recurrent_dropout = config.attn_dropout},
                                  seed_of(config));
}

std::unique_ptr<Retriever> make_narm(const RetrieverConfig& config, int64_t num_items) {
  return std::make_unique<Narm>(NarmConfig{.num_items = num_items,
                                           .width = config.width,
                                           .dropout = config.dropout,
                                           .decoder_dropout = config.attn_dropout},
                                seed_of(config));
}

template <class Model>
std::unique_ptr<Retriever> make_transformer(const RetrieverConfig& config, int64_t num_items) {
  return std::make_unique<Model>(TransformerConfig{.num_items = num_items,
                                                   .width = config.width,
                                                   .blocks = config.blocks,
                                                   .heads = config.heads,
                                                   .inner = config.inner,
                                                   .max_length = config.max_length,
                                                   .dropout = config.dropout,
                                                   .attn_dropout = config.attn_dropout},
                                 seed_of(config));
}

std::unique_ptr<Retriever> make_hstu(const RetrieverConfig& config, int64_t num_items) {
  return std::make_unique<Hstu>(HstuConfig{.num_items = num_items,
                                           .width = config.width,
                                           .item_width = config.item_width,
                                           .blocks = config.blocks,
                                           .heads = config.heads,
                                           .max_length = config.max_length,
                                           .dropout = config.dropout,
                                           .relative_bias = config.relative_bias},
                                seed_of(config));
}

std::unique_ptr<Retriever> make_llmid(const RetrieverConfig& config, int64_t num_items) {
  return std::make_unique<LlmId>(RetrieverModelConfig{.model_type = "llmid",
                                                      .num_items = num_items,
                                                      .width = config.width,
                                                      .blocks = config.blocks,
                                                      .heads = config.heads,
                                                      .kv_heads = config.kv_heads,
                                                      .ffn_width = config.ffn_width,
                                                      .item_width = config.item_width,
                                                      .max_length = config.max_length},
                                 seed_of(config));
}

std::unique_ptr<TrainingObjective> next_item(const RetrieverConfig& config, int64_t) {
  return std::make_unique<NextItem>(config.max_length);
}

std::unique_ptr<TrainingObjective> next_of_prefix(const RetrieverConfig& config, int64_t) {
  return std::make_unique<NextOfPrefix>(config.max_length);
}

std::unique_ptr<TrainingObjective> cloze(const RetrieverConfig& config, int64_t num_items) {
  return std::make_unique<Cloze>(ClozeOptions{.max_length = config.max_length,
                                              .num_items = num_items,
                                              .seed = seed_of(config),
                                              .probability = config.mask_probability,
                                              .most = config.max_masks});
}

// By the names of retriever_families(): the model, and what it is trained on.
struct Maker {
  std::string_view family;
  std::unique_ptr<Retriever> (*model)(const RetrieverConfig& config, int64_t num_items);
  std::unique_ptr<TrainingObjective> (*objective)(const RetrieverConfig& config, int64_t num_items);
};
constexpr Maker kFamilies[] = {
    {"lrurec", make_lrurec, next_item},  {"sasrec", make_transformer<SasRec>, next_item},
    {"narm", make_narm, next_of_prefix}, {"bert4rec", make_transformer<Bert4Rec>, cloze},
    {"hstu", make_hstu, next_item},      {"llmid", make_llmid, next_item}};

const Maker& maker_of(const RetrieverConfig& config) {
  const RetrieverFamily& family = retriever_family(config.model_type, "model.type");
  for (const Maker& maker : kFamilies)
    if (maker.family == family.name) return maker;
  throw ConfigError("model.type is '{}': {} cannot be trained", family.name, family.title);
}

}  // namespace

std::unique_ptr<Retriever> make_retriever(const RetrieverConfig& config, int64_t num_items,
                                          const std::string& device) {
  auto model = maker_of(config).model(config, num_items);
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
  return maker_of(config).objective(config, num_items);
}

}  // namespace tandem::learn
