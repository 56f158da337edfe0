// SPDX-License-Identifier: Apache-2.0
#include "learn/ranker/ranker_config.h"

#include <cmath>
#include <sstream>

#include "core/error.h"
#include "learn/llama/llama_keys.h"
#include "learn/trainer/validation_metrics.h"

namespace tandem::learn {

RankerConfig::RankerConfig() {
  lr = 1e-4;
  weight_decay = 0;
  batch = 16;
  schedule = "linear";
  warmup_steps = 100;
  valid_every = 100;
  patience = 20;
  metric = "NDCG@10";
  checkpoint_every = 100;
  log_every = 10;
}

std::string_view tuning_name(Tuning tuning) {
  constexpr std::string_view kNames[] = {"lora", "qlora", "full"};
  return kNames[static_cast<size_t>(tuning)];
}

ConfigSchema RankerConfig::schema() {
  ConfigSchema schema;
  schema.add("model.tuning", &tuning,
             "lora (adapters), qlora (adapters on a base in NF4) or full (all weights)",
             {{"lora", Tuning::kLora}, {"qlora", Tuning::kQlora}, {"full", Tuning::kFull}});
  add_llama_keys(schema, precision, checkpoint_layers);
  schema.add("lora.rank", &lora_rank, "rank of the adapters");
  schema.add("lora.alpha", &lora_alpha, "adapters are scaled by alpha / rank");
  schema.add("lora.dropout", &lora_dropout, "dropout of the adapters' input");
  schema.add("lora.targets", &lora_targets, "projections with an adapter, with commas");
  schema.add("train.negatives", &negatives,
             "candidates beside the answer: uniform (as LlamaRec), retriever (its best items) or "
             "crossfit (the best items of a retriever that has not seen the user)",
             {{"uniform", Negatives::kUniform},
              {"retriever", Negatives::kRetriever},
              {"crossfit", Negatives::kCrossfit}});
  schema.add("train.order", &order,
             "order of the candidates: shuffled, or retrieval (not with train.negatives=uniform)",
             {{"shuffled", CandidateOrder::kShuffled}, {"retrieval", CandidateOrder::kRetrieval}});
  schema.add("train.only_retrieved", &only_retrieved,
             "only samples whose answer the retriever found itself (not with "
             "train.negatives=uniform)");
  schema.add("train.eos", &train_eos, "loss on the end of text behind the letter, too");
  schema.add("loss.soft_target", &soft_target,
             "share of the letter's loss whose target is not the true letter but how likely the "
             "base as it was before training finds each candidate's title");
  schema.add("loss.language", &language,
             "weight of the loss on the history's own tokens, beside the answer's");
  add_keys(
      schema, "prompts a micro-batch",
      "what the best checkpoint has most of on the valid retrieval subset: Recall, NDCG or MRR "
      "@1,5,10,20,50");
  schema.add("valid.users", &valid_users, "validate on so many users of the subset; 0: all");
  prompt.add_keys(schema);
  return schema;
}

void RankerConfig::validate() const {
  check();
  prompt.validate();
  check_at_least("valid.users", valid_users, 0);
  if (tuning != Tuning::kFull) llama_options().lora->validate();
  if (negatives == Negatives::kUniform && (order != CandidateOrder::kShuffled || only_retrieved)) {
    throw ConfigError(
        "train.order=retrieval and train.only_retrieved need train.negatives=retriever or "
        "crossfit");
  }
  if (!(soft_target >= 0 && soft_target <= 1))
    throw ConfigError("loss.soft_target is {}; expected 0 to 1", soft_target);
  if (!(language >= 0 && std::isfinite(language)))
    throw ConfigError("loss.language is {}; expected 0 or more", language);
  metrics_of_ranks({}).value(metric);
}

LlamaOptions RankerConfig::llama_options() const {
  LlamaOptions options{.precision = parse_precision(precision),
                       .train_base = tuning == Tuning::kFull,
                       .checkpoint_layers = checkpoint_layers,
                       .seed = static_cast<uint64_t>(seed)};
  if (tuning != Tuning::kFull) {
    LoraConfig lora{.rank = lora_rank, .alpha = lora_alpha, .dropout = lora_dropout, .targets = {}};
    std::istringstream list(lora_targets);
    for (std::string name; std::getline(list, name, ',');)
      if (!name.empty()) lora.targets.push_back(name);
    options.lora = lora;
  }
  return options;
}

}  // namespace tandem::learn
