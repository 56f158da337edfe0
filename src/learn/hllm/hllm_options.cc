// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/hllm_options.h"

#include <fmt/ranges.h>

#include <sstream>

#include "core/error.h"
#include "learn/llama/llama_keys.h"
#include "learn/trainer/validation_metrics.h"

namespace tandem::learn {
namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

void add_tower_keys(ConfigSchema& schema, const std::string& name, const std::string& what,
                    TowerOptions& tower) {
  schema.add(name + ".random", &tower.random,
             fmt::format("the {} has its base's shape and new weights", what));
  schema.add(name + ".layers", &tower.layers,
             fmt::format("the {} has the first so many layers of its base; 0: all", what));
  schema.add(name + ".tuning", &tower.tuning,
             fmt::format("what is trained of the {}: full, lora (adapters) or frozen", what),
             {{"full", TowerTuning::kFull},
              {"lora", TowerTuning::kLora},
              {"frozen", TowerTuning::kFrozen}});
}

}  // namespace

HllmOptions::HllmOptions() {
  lr = 1e-4;
  weight_decay = 0.01;
  clip = 0;
  batch = 32;
  epochs = 5;
  schedule = "cosine";
  warmup_share = 0.1;
  valid_every = 100;
  patience = 5;
  metric = "NDCG@200";
  checkpoint_every = 100;
  log_every = 10;
}

void HllmOptions::take(const HllmConfig& config) {
  item_prompt = config.item_prompt;
  item_keys = fmt::format("{}", fmt::join(config.item_keys, ","));
  pandas_text = config.pandas_text;
  max_text_length = config.max_text_length;
  max_length = config.max_length;
  time_width = config.time_width;
  ranking = config.ranking;
  pooling = config.pooling;
  shared_towers = config.shared_towers;
}

ConfigSchema HllmOptions::schema() {
  ConfigSchema schema;
  schema.add("text.prompt", &item_prompt, "what the text of every item begins with");
  schema.add("text.keys", &item_keys,
             "fields of an item that its text consists of, with commas, in this order");
  schema.add("text.max_tokens", &max_text_length, "a text keeps its first tokens");
  schema.add("text.pandas", &pandas_text,
             "write fields as the authors' reader does: 2013.0 in a column with gaps, no None");
  schema.add("model.max_length", &max_length, "newest items of a history that the User LLM reads");
  schema.add("model.pooling", &pooling,
             "an item's vector: token (state at a learned token after the text) or mean (of the "
             "text's states)",
             {{"token", HllmPooling::kToken}, {"mean", HllmPooling::kMean}});
  schema.add("model.time_width", &time_width,
             "tell the User LLM when its inputs were, by six tables of this width (the paper's is "
             "512); 0: it is not told");
  schema.add("model.shared_towers", &shared_towers, "one tower reads texts and histories");
  add_llama_keys(schema, precision, checkpoint_layers);
  schema.add("model.chunk_tokens", &chunk_tokens,
             "the Item LLM takes so many tokens at once; more are done chunk by chunk with "
             "gradients computed anew");
  add_tower_keys(schema, "item", "Item LLM", item);
  add_tower_keys(schema, "user", "User LLM", user);
  schema.add("lora.rank", &lora_rank, "rank of the adapters");
  schema.add("lora.alpha", &lora_alpha, "adapters are scaled by alpha / rank");
  schema.add("lora.targets", &lora_targets, "projections with an adapter, with commas");
  schema.add("nce.negatives", &num_negatives,
             "negatives drawn a row, seen by all rows of the step; 0: one a transition");
  schema.add("nce.threshold", &nce.threshold,
             "a negative whose cosine with the target is above this is no negative");
  schema.add("nce.by_id", &nce.by_id, "neither is one that is the target itself");
  schema.add(
      "rank.form", &ranking,
      "also learn whether an item is taken: late (a learned token after the history, and a "
      "head on its state and the item's vector), early (the item after the history; a pass "
      "for each candidate) or none",
      {{"none", HllmRanking::kNone}, {"late", HllmRanking::kLate}, {"early", HllmRanking::kEarly}});
  schema.add("rank.contrast", &contrast_weight,
             "what the contrast counts beside that; 0: the judgement alone");
  schema.add("rank.candidates", &judged_candidates,
             "validation judges so many items a user: the true one, and others by chance");
  schema.add("data.compat", &compat_samples,
             "draw rows and negatives as the authors' code does, with its random numbers");
  schema.add("data.split", &split_rows,
             "cut long histories into rows of model.max_length + 1 items; false: the newest alone");
  add_keys(schema, "users' rows a step (times train.accumulate)",
           "what the best checkpoint has most of: Recall, NDCG or MRR @1,5,10,20,50,200, or AUC "
           "(of rank.form)",
           "on everything, as the authors have it");
  schema.add("train.warmup_share", &warmup_share,
             "linear warm-up over this share of the steps, instead of train.warmup_steps");
  schema.add("train.freeze", &freeze,
             "parameters that are not trained: prefixes of names, with commas "
             "(item_llm.model.layers.0.)");
  schema.add("valid.exclude_history", &exclude_history,
             "validation never recommends an item of the history");
  schema.add("valid.users", &valid_users, "validate on so many users; 0: all");
  return schema;
}

void HllmOptions::validate() const {
  check();
  check_at_least("text.max_tokens", max_text_length, 1);
  check_at_least("model.max_length", max_length, 1);
  check_at_least("model.time_width", time_width, 0);
  check_at_least("model.chunk_tokens", chunk_tokens, 1);
  check_at_least("item.layers", item.layers, 0);
  check_at_least("user.layers", user.layers, 0);
  check_at_least("nce.negatives", num_negatives, 0);
  check_at_least("valid.users", valid_users, 0);
  check_probability("train.warmup_share", warmup_share);
  if (warmup_share > 0 && warmup_steps > 0)
    throw ConfigError("train.warmup_share is {} and train.warmup_steps {}; expected one of them 0",
                      warmup_share, warmup_steps);
  if (shared_towers && user != TowerOptions{})
    throw ConfigError("user.* says something of a tower of its own, but model.shared_towers is on");
  item_text().validate("text");
  if (!(contrast_weight >= 0 && contrast_weight <= 1000))
    throw ConfigError("rank.contrast is {}; expected 0 to 1000", contrast_weight);
  check_at_least("rank.candidates", judged_candidates, 2);
  if (metric != kAuc) metrics_of_ranks({}, kHllmCutoffs).value(metric);
  if (metric == kAuc && ranking == HllmRanking::kNone)
    throw ConfigError("valid.metric is AUC, which rank.form makes; it is none");
  if (ranking == HllmRanking::kNone && contrast_weight != 1)
    throw ConfigError("rank.contrast is {}, but rank.form none: the contrast stands alone",
                      contrast_weight);
}

ItemPromptConfig HllmOptions::item_text() const {
  return {.prompt = item_prompt,
          .keys = split(item_keys),
          .pandas = pandas_text,
          .max_tokens = max_text_length};
}

SampleOptions HllmOptions::samples() const {
  return {.max_length = max_length,
          .split = split_rows,
          .negatives = num_negatives,
          .compat = compat_samples,
          .rows_a_step = batch * accumulate,
          .seed = static_cast<uint64_t>(seed)};
}

LlamaOptions HllmOptions::llama_options(const TowerOptions& tower) const {
  LlamaOptions options{.precision = parse_precision(precision),
                       .train_base = tower.tuning == TowerTuning::kFull,
                       .checkpoint_layers = checkpoint_layers,
                       .seed = static_cast<uint64_t>(seed)};
  if (tower.tuning == TowerTuning::kLora)
    options.lora = LoraConfig{
        .rank = lora_rank, .alpha = lora_alpha, .dropout = 0, .targets = split(lora_targets)};
  return options;
}

std::vector<std::string> HllmOptions::frozen_prefixes() const { return split(freeze); }

HllmConfig HllmOptions::model_config(int64_t width, bool has_projector,
                                     const Dataset& dataset) const {
  return {.num_items = dataset.num_items(),
          .width = width,
          .max_length = max_length,
          .max_text_length = max_text_length,
          .item_prompt = item_prompt,
          .item_keys = split(item_keys),
          .pooling = pooling,
          .shared_towers = shared_towers,
          .has_projector = has_projector,
          .time_width = time_width,
          .ranking = ranking,
          .pandas_text = pandas_text,
          .dataset_fingerprint = dataset.fingerprint()};
}

}  // namespace tandem::learn
