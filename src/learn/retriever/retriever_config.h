// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
#include "data/dataset.h"
#include "data/folds.h"
#include "learn/contrastive/contrast.h"
#include "learn/trainer/train_options.h"

namespace tandem::learn {

// What a retriever learns from: a softmax over all items, or HLLM's contrast with a few. By the
// model: nce for hstu and llmid, softmax for the others.
enum class RetrieverLoss { kByModel, kSoftmax, kNce };

// Keys of the contrast, nce.*.
struct NceConfig : NceFilter {
  int64_t negatives = 0;   // a row; 0: one a transition. Of own: a position, at least 1
  bool own = false;        // each position has its own; else all rows of a step see all
  double fixed_scale = 0;  // what cosines are multiplied by; 0: learned
  bool compat_samples = false, split_rows = true;
};

// Everything that `train retriever` can be told; defaults are LlamaRec's. A value 0 of max_length,
// batch and inner means "by the data" or "by the model" (resolve()).
struct RetrieverConfig : TrainOptions {
  RetrieverConfig();

  std::string model_type = "lrurec";
  int64_t width = 64, blocks = 2, heads = 2, inner = 0, max_length = 0;
  int64_t item_width = 0;               // hstu, llmid; 0: width
  bool relative_bias = false;           // hstu
  int64_t kv_heads = 0, ffn_width = 0;  // llmid; 0: heads, and 11/4 of width
  double dropout = 0.2, attn_dropout = 0.2;
  double mask_probability = 0.25;  // bert4rec
  int64_t max_masks = 0;           // likewise; 0: no limit
  RetrieverLoss loss = RetrieverLoss::kByModel;
  NceConfig nce;
  bool exclude_history = false;
  UserFolds folds;

  // The keys, bound to this object, which must outlive the schema.
  ConfigSchema schema();

  // Replaces "by the data" by a number: max_length is 200 when users have more than 50 training
  // items on average, else 50; batch is 16 at a max_length of 200 or more, else 64 (what LlamaRec's
  // authors use on ML-100K, and on Beauty and Games); inner is 2 for
  // sasrec, 1 for hstu, else 4; the loss is the model's. Then checks
  // every value. Throws ConfigError.
  void resolve(const Dataset& dataset);
};

}  // namespace tandem::learn
