// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/train_hllm.h"

#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/plural.h"
#include "core/sha256.h"
#include "learn/contrastive/contrastive_samples.h"
#include "learn/hllm/first_layers.h"
#include "learn/hllm/hllm_files.h"
#include "learn/hllm/hllm_options.h"
#include "learn/hllm/hllm_task.h"
#include "learn/trainer/session.h"
#include "models/hllm_files.h"
#include "models/time_embedding.h"
#include "offline/encode_items.h"
#include "rank/item_prompt.h"
#include "tokenizer/files.h"

namespace tandem::learn {
namespace {

// Where the towers begin: bases, or a run of HLLM that is trained further.
struct Start {
  fs::path item, user;
  std::optional<HllmFiles> run = {};
};

Start find_start(const TrainRequest& request) {
  const fs::path base = request.input("base"), user = request.input("user_base");
  if (!is_hllm_folder(base)) return {.item = base, .user = user.empty() ? base : user};
  if (!user.empty())
    throw UsageError("--base {} is a run of HLLM, which has a User LLM: leave --user-base out",
                     base.string());
  const HllmFiles run = open_hllm(base);
  return {.item = base / kItemTowerFolder,
          .user = base / (run.config.shared_towers ? kItemTowerFolder : kUserTowerFolder),
          .run = run};
}

// A tower before training; new weights take the shape of its base.
TowerOrigin tower(const std::shared_ptr<const LlamaSource>& base, const TowerOptions& options,
                  uint64_t seed, const char* layers_key) {
  auto weights = options.random ? random_weights(base->config(), seed) : source_weights(base);
  return {.weights = first_layers(std::move(weights), options.layers, layers_key),
          .tokenizer = base->config().has_embedding ? base->path() : fs::path()};
}

ItemTokens item_tokens(const ItemTexts& texts, const Tokenizer& tokenizer, HllmPooling pooling,
                       ThreadPool& pool) {
  ItemTokens tokens(texts.num_items() + 1);
  pool.parallel_for(std::ssize(tokens), [&](int64_t item, int) {
    tokens[item] = texts.ids(static_cast<int32_t>(item), tokenizer);
    if (pooling == HllmPooling::kMean && tokens[item].size() > 1) tokens[item].pop_back();
  });
  return tokens;
}

// Items of equal tokens have one vector, and nothing can tell them apart.
void check_texts(const ItemTexts& texts, const ItemTokens& tokens, const Dataset& dataset) {
  const int64_t items = texts.num_items();
  const int64_t distinct = std::ssize(std::set(tokens.begin() + 1, tokens.end()));
  int64_t empty = 0;
  for (int32_t item = 1; item <= items; ++item) empty += texts.text(item).empty();
  if (empty == items)
    throw DataError(
        "no item of {} has a text in {}; import it with titles (--meta), or name other "
        "fields in text.keys",
        dataset.folder().string(), fmt::join(texts.config().keys, ", "));
  if (distinct == 1 && items > 1)
    throw ConfigError(
        "text.max_tokens is {}: the {} items of {} have the same tokens up to there; "
        "expected more than text.prompt alone takes",
        texts.config().max_tokens, items, dataset.folder().string());
  if (distinct < items)
    spdlog::warn(
        "{} items have {} different texts of at most {} tokens, {} have none: items of one "
        "text have one vector",
        items, distinct, texts.config().max_tokens, empty);
}

// The parts of the times, of the run that is trained further or new.
void add_times(HllmExtras& extras, const Start& start, const HllmOptions& options, int64_t width,
               const Dataset& dataset) {
  if (options.time_width == 0) {
    extras.time.reset();
    return;
  }
  const int64_t before = start.run ? start.run->config.time_width : 0;
  if (before > 0 && options.time_width != before)
    throw ConfigError("model.time_width is {}, but {} has tables of width {}; expected {}, or 0",
                      options.time_width, start.run->folder.string(), before, before);
  int64_t known = 0;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    for (const int64_t time : dataset.timestamps(user)) {
      if (time == 0) continue;
      time_rows(time);
      ++known;
    }
  }
  if (known == 0)
    throw DataError("{} has no times, which model.time_width = {} reads", dataset.folder().string(),
                    options.time_width);
  if (known < dataset.num_interactions())
    spdlog::warn("{} of {} interactions have no time; nothing is added to their items' vectors",
                 dataset.num_interactions() - known, dataset.num_interactions());
  if (!extras.time)
    extras.time.emplace(options.time_width, width, static_cast<uint64_t>(options.seed));
}

// The head of the run that is trained further, where it judges in the same way, or a new one.
void add_head(HllmExtras& extras, const HllmOptions& options, int64_t width) {
  if (extras.head && extras.head->ranking() == options.ranking) return;
  extras.head.reset();
  if (options.ranking != HllmRanking::kNone)
    extras.head.emplace(options.ranking, width, static_cast<uint64_t>(options.seed));
}

// Facts that a study compares between arms.
Json facts_of(const ItemTexts& texts, const ContrastiveSamples& samples) {
  return {{"texts", texts.fingerprint()}, {"first_epoch", samples.first_epoch()}};
}

void train_hllm(const TrainRequest& request, ProcessGroup& group) {
  Session session(request, group);
  HllmOptions options;
  const Start start = find_start(request);
  if (start.run) options.take(start.run->config);  // the same unless told otherwise
  session.read_config(options.schema());
  options.validate();
  session.check_config(options.schema());
  const auto seed = static_cast<uint64_t>(options.seed);
  const Dataset dataset = Dataset::open(request.input("dataset"));
  const auto tokenizer = load_tokenizer(start.item);
  const auto item_base = open_llama(start.item, {.head = false});
  const auto user_base = open_llama(start.user, {.embedding = false, .head = false});
  if (tokenizer->vocab_size() > item_base->config().vocab_size)
    throw DataError("{}: the tokenizer has {} tokens, the model {}", start.item.string(),
                    tokenizer->vocab_size(), item_base->config().vocab_size);
  const TowerOrigin item = tower(item_base, options.item, seed, "item.layers"),
                    user = tower(user_base, options.user, seed + 1, "user.layers");

  const auto llama = [&](const TowerOrigin& origin, const TowerOptions& tower) {
    LlamaOptions with = options.llama_options(tower);
    with.device = at::Device(session.device());
    return Llama(*origin.weights, with);
  };
  std::optional<Llama> user_llm;
  if (!options.shared_towers) user_llm.emplace(llama(user, options.user));
  const int64_t item_width = item.weights->config().hidden_size;
  const int64_t width = options.shared_towers ? item_width : user.weights->config().hidden_size;
  HllmExtras extras =
      start.run ? read_hllm_extras(*start.run) : new_hllm_extras(item_width, width, seed);
  add_times(extras, start, options, width, dataset);
  add_head(extras, options, width);
  extras.move_to(at::Device(session.device()));
  const Hllm model(options.model_config(width, extras.projector.defined(), dataset),
                   llama(item, options.item), std::move(user_llm), std::move(extras),
                   options.frozen_prefixes());

  const ItemTexts texts(dataset, options.item_text());
  ItemTokens tokens = item_tokens(texts, *tokenizer, options.pooling, session.pool());
  check_texts(texts, tokens, dataset);
  HllmTask task(model, dataset, options,
                {.tokens = std::move(tokens),
                 .fingerprint = Sha256().add(dataset.fingerprint()).add(texts.fingerprint()).hex()},
                item, user);
  const int64_t reals = count_reals(model.parameters());
  if (!session.announce(task, options)) return;
  Json facts;
  if (session.first() && !session.resuming()) facts = facts_of(texts, task.samples());
  RunFolder* folder =
      session.open_folder({.seed = seed,
                           .dataset_fingerprint = dataset.fingerprint(),
                           .inputs = {{"item_weights", item_base->fingerprint()},
                                      {"user_weights", user_base->fingerprint()},
                                      {"inputs", task.fingerprint()},
                                      {"parameters", reals}},
                           .extra = {{"dataset", fs::absolute(request.input("dataset")).string()},
                                     {"item_base", fs::absolute(start.item).string()},
                                     {"user_base", fs::absolute(start.user).string()}},
                           .facts = std::move(facts)},
                          options.schema().to_yaml());
  Trainer trainer(task, options, folder, group, session.pool());
  spdlog::info("HLLM: {} parameters are trained ({}, {} each), {}, at most {}", reals,
               counted(group.size(), "process", "processes"), counted(session.threads(), "thread"),
               counted(task.num_samples(), "row"), counted(trainer.total_steps(), "step"));
  session.train(trainer, options);
  if (folder != nullptr) {
    task.write_model(folder->path(), task.parameters());
    encode_items(folder->path(), dataset, {}, session.pool());
  }
  group.barrier();
}

}  // namespace

const TrainingVerb kTrainHllm = {
    .name = "train hllm",
    .keys = config_keys<HllmOptions>,
    .run = train_hllm,
    .saves_memory =
        "a smaller model.chunk_tokens (loss and gradients stay the same), train.batch, "
        "model.checkpoint_layers=true, item.tuning=lora or item.layers"};

}  // namespace tandem::learn
