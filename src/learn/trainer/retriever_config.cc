// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/retriever_config.h"

#include "learn/trainer/validation.h"

namespace tandem {

RetrieverConfig::RetrieverConfig() {
  eps = 1e-9;
  clip = 5.0;
  epochs = 500;
  metric = "Recall@10";
}

ConfigSchema RetrieverConfig::schema() {
  ConfigSchema schema;
  schema.add("model.type", &model_type,
             "lrurec (linear recurrent units) or sasrec (self-attention)", {"lrurec", "sasrec"});
  schema.add("model.width", &width, "model width D");
  schema.add("model.blocks", &blocks, "number of blocks");
  schema.add("model.heads", &heads, "attention heads (sasrec)");
  schema.add("model.inner", &inner,
             "FFN width as a multiple of model.width (sasrec; lrurec has 4)");
  schema.add(
      "model.max_length", &max_length,
      "window L in items; 0: 200 when users have more than 50 training items on average, else 50");
  schema.add("model.dropout", &dropout, "dropout of embedding and FFN");
  schema.add("model.attn_dropout", &attn_dropout, "dropout of the LRU's output or the attention");
  add_keys(schema, "rows a micro-batch; 0: 16 at max_length 200 or more, else 64",
           "what the best checkpoint has most of: Recall, NDCG or MRR @1,5,10,20,50");
  schema.add("valid.exclude_history", &exclude_history,
             "validation never recommends padding or an item of the input window");
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

  check_at_least("model.width", width, 1);
  check_at_least("model.blocks", blocks, 1);
  check_at_least("model.max_length", max_length, 1);
  check_probability("model.dropout", dropout);
  check_probability("model.attn_dropout", attn_dropout);
  check();
  ValidationMetrics().value(metric);
}

}  // namespace tandem
