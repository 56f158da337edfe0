// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/retriever_config.h"

#include <algorithm>

#include "core/error.h"
#include "learn/trainer/validation_metrics.h"
#include "models/retriever_family.h"

namespace tandem::learn {
namespace {

// "lrurec (linear recurrent units), sasrec (self-attention) or narm (GRU and attention)"
std::string types_help() {
  const std::span<const RetrieverFamily> families = retriever_families();
  std::string text;
  for (const RetrieverFamily& family : families) {
    if (&family != &families.front()) text += &family == &families.back() ? " or " : ", ";
    text += fmt::format("{} ({})", family.name, family.made_of);
  }
  return text;
}

}  // namespace

RetrieverConfig::RetrieverConfig() {
  eps = 1e-9;
  clip = 5.0;
  epochs = 500;
  metric = "Recall@10";
}

ConfigSchema RetrieverConfig::schema() {
  ConfigSchema schema;
  schema.add("model.type", &model_type, types_help(), retriever_family_names());
  schema.add("model.width", &width, "model width D");
  schema.add("model.blocks", &blocks, "number of blocks (narm has one GRU layer of width 2 D)");
  schema.add("model.heads", &heads, "attention heads (sasrec, bert4rec, hstu, llmid)");
  schema.add("model.inner", &inner,
             "FFN width as a multiple of model.width (sasrec, bert4rec; lrurec has 4); 0: 2 for "
             "sasrec, 4 for bert4rec");
  schema.add("model.item_width", &item_width,
             "width of the item table, which a matrix then brings to model.width; 0: as wide, no "
             "matrix (hstu, llmid)");
  schema.add("model.relative_bias", &relative_bias,
             "the attention's bias by distance in places and in time, as in the original (hstu)");
  schema.add("model.kv_heads", &kv_heads, "heads of keys and values; 0: model.heads (llmid)");
  schema.add("model.ffn_width", &ffn_width,
             "FFN width of llmid; 0: 11/4 of model.width, as TinyLlama's");
  schema.add(
      "model.max_length", &max_length,
      "window L in items; 0: 200 when users have more than 50 training items on average, else 50");
  schema.add("model.dropout", &dropout, "dropout of embedding and FFN");
  schema.add("model.attn_dropout", &attn_dropout,
             "dropout of the LRU's output, the attention or NARM's states before its decoder");
  schema.add("cloze.probability", &mask_probability, "how often an item is hidden (bert4rec)");
  schema.add("cloze.most", &max_masks,
             "hidden items of a row, at most; 0: no limit; LlamaRec's fork: 20 (bert4rec)");
  schema.add("train.loss", &loss,
             "softmax over all items; nce: contrast of cosines with a few, as HLLM has it; auto: "
             "nce for hstu and llmid, else softmax",
             {{"auto", RetrieverLoss::kByModel},
              {"softmax", RetrieverLoss::kSoftmax},
              {"nce", RetrieverLoss::kNce}});
  schema.add("nce.negatives", &nce.negatives,
             "negatives drawn a row, seen by all rows of the step; 0: one a transition. With "
             "nce.own: a position");
  schema.add("nce.own", &nce.own, "each position has negatives of its own");
  schema.add("nce.fixed_scale", &nce.fixed_scale,
             "what cosines are multiplied by; 0: learned from 1 / 0.07 on; HLLM's authors fix 20");
  schema.add("nce.threshold", &nce.threshold,
             "a negative whose cosine with the target is above this is no negative");
  schema.add("nce.by_id", &nce.by_id, "neither is one that is the target itself");
  schema.add("nce.compat", &nce.compat_samples,
             "draw rows and negatives as HLLM's authors do, with their random numbers");
  schema.add("nce.split", &nce.split_rows,
             "cut long histories into rows of model.max_length + 1 items; false: the newest alone");
  add_keys(schema, "rows a micro-batch; 0: 16 at max_length 200 or more, else 64",
           "what the best checkpoint has most of: Recall, NDCG or MRR @1,5,10,20,50");
  schema.add("valid.exclude_history", &exclude_history,
             "validation never recommends padding or an item of the input window");
  schema
      .add("data.folds", &folds.count,
           "cut the users into so many folds, user number modulo folds; 0: no folds")
      .may_change([this] {
        return std::string(folds.left_out < 0 ? "" : "it decides whom this fold leaves out");
      });
  schema.add("data.fold", &folds.left_out,
             "neither train nor validate on the users of this fold; -1: all users");
  return schema;
}

void RetrieverConfig::resolve(const Dataset& dataset) {
  if (max_length == 0) {
    int64_t items = 0, users = 0;
    for (int64_t user = 0; user < dataset.num_users(); ++user) {
      items += static_cast<int64_t>(train_items(dataset, user).size());
      users += train_items(dataset, user).empty() ? 0 : 1;
    }
    max_length = items > 50 * users ? 200 : 50;
  }
  if (batch == 0) batch = max_length >= 200 ? 16 : 64;

  check_at_least("data.folds", folds.count, 0);
  if (folds.count == 1 || folds.count > dataset.num_users())
    throw ConfigError("data.folds is {}; expected 0, or 2 to {} users", folds.count,
                      dataset.num_users());
  if (folds.left_out < -1 || folds.left_out >= std::max<int64_t>(folds.count, 0))
    throw ConfigError("data.fold is {}; expected -1 to {}", folds.left_out, folds.count - 1);
  if (inner == 0) inner = retriever_family(model_type, "model.type").default_inner;
  const RetrieverFamily& family = retriever_family(model_type);
  if (loss == RetrieverLoss::kByModel)
    loss = family.contrastive ? RetrieverLoss::kNce : RetrieverLoss::kSoftmax;
  if (loss == RetrieverLoss::kNce && !family.cosine)
    throw ConfigError("train.loss is nce; expected softmax for {}, whose scores are no cosines",
                      model_type);
  if (relative_bias && (model_type != "hstu" || loss != RetrieverLoss::kNce))
    throw ConfigError(
        "model.relative_bias is true; expected false for {} with train.loss {}: it is hstu's, "
        "trained with nce",
        model_type, loss == RetrieverLoss::kNce ? "nce" : "softmax");
  check_at_least("nce.negatives", nce.negatives, nce.own ? 1 : 0);
  if (!(nce.fixed_scale == 0 || (nce.fixed_scale >= 1 && nce.fixed_scale <= 100)))
    throw ConfigError("nce.fixed_scale is {}; expected 0, or 1 to 100", nce.fixed_scale);
  if (nce.own && nce.compat_samples)
    throw ConfigError("nce.compat draws negatives that all rows see; expected nce.own false");
  if (nce.compat_samples && folds.count > 0)
    throw ConfigError("nce.compat draws from all users; expected data.folds 0, found {}",
                      folds.count);
  check_at_least("model.width", width, 1);
  check_at_least("model.blocks", blocks, 1);
  check_at_least("model.item_width", item_width, 0);
  check_at_least("model.kv_heads", kv_heads, 0);
  check_at_least("model.ffn_width", ffn_width, 0);
  check_at_least("model.max_length", max_length, 1);
  check_probability("model.dropout", dropout);
  check_probability("model.attn_dropout", attn_dropout);
  check_at_least("model.inner", inner, 1);
  if (!(mask_probability > 0 && mask_probability <= 1))
    throw ConfigError("cloze.probability is {}; expected 0 < p <= 1", mask_probability);
  check_at_least("cloze.most", max_masks, 0);
  check();
  metrics_of_ranks({}).value(metric);
}

}  // namespace tandem::learn
