// SPDX-License-Identifier: Apache-2.0
// What the configurations of the three trainings mean: every key's field, and what follows from it.
#include "learn/trainer/train_options.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "learn/bert4rec/bert4rec.h"
#include "learn/lrurec/lrurec.h"
#include "learn/narm/narm.h"
#include "learn/pretrain/pretrain_config.h"
#include "learn/ranker/ranker_config.h"
#include "learn/retriever/cloze.h"
#include "learn/retriever/model_factory.h"
#include "learn/retriever/retriever_config.h"
#include "learn/retriever/retriever_task.h"
#include "learn/sasrec/sasrec.h"
#include "support/ranker_world.h"

namespace tandem::learn {
namespace {

TEST(TrainOptions, StepsOfATraining) {
  TrainOptions options;
  options.batch = 4;
  options.accumulate = 2;
  options.epochs = 3;
  EXPECT_EQ(options.length(17).steps_per_epoch, 3);  // the last has one sample
  EXPECT_EQ(options.length(17).total_steps, 9);
  EXPECT_EQ(options.length(16).total_steps, 6);
  options.max_steps = 7;
  EXPECT_EQ(options.length(17).total_steps, 7);
  EXPECT_EQ(options.length(16).total_steps, 6);
}

TEST(TrainOptions, AWarmUpToTheEndIsRefused) {
  TrainOptions options;
  options.batch = 1;
  options.warmup_steps = 9;
  EXPECT_EQ(options.length(10).total_steps, 10);
  try {
    options.length(9);
    FAIL();
  } catch (const ConfigError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("train.warmup_steps is 9, but the training has 9 steps"), text.npos)
        << text;
  }
  options.warmup_steps = 0;
  EXPECT_EQ(options.length(1).total_steps, 1);
}

template <typename Config>
Config set(const std::vector<std::string>& assignments) {
  Config config;
  ConfigSchema schema = config.schema();
  for (const std::string& assignment : assignments) schema.set(assignment);
  return config;
}

const std::vector<std::string> kCommon = {"train.lr=0.25",
                                          "train.weight_decay=0.125",
                                          "train.batch=3",
                                          "train.accumulate=4",
                                          "train.epochs=5",
                                          "train.max_steps=6",
                                          "train.clip=7.5",
                                          "train.eps=0.5",
                                          "train.schedule=cosine",
                                          "train.warmup_steps=8",
                                          "valid.every=9",
                                          "valid.patience=10",
                                          "seed=11",
                                          "checkpoint.every=12",
                                          "log.every=13"};

void expect_common(const TrainOptions& options) {
  EXPECT_EQ(options.lr, 0.25);
  EXPECT_EQ(options.weight_decay, 0.125);
  EXPECT_EQ(options.batch, 3);
  EXPECT_EQ(options.accumulate, 4);
  EXPECT_EQ(options.epochs, 5);
  EXPECT_EQ(options.max_steps, 6);
  EXPECT_EQ(options.clip, 7.5);
  EXPECT_EQ(options.eps, 0.5);
  EXPECT_EQ(options.schedule, "cosine");
  EXPECT_EQ(options.warmup_steps, 8);
  EXPECT_EQ(options.valid_every, 9);
  EXPECT_EQ(options.patience, 10);
  EXPECT_EQ(options.seed, 11);
  EXPECT_EQ(options.checkpoint_every, 12);
  EXPECT_EQ(options.log_every, 13);
}

TEST(TrainOptions, EveryKeySetsItsField) {
  expect_common(set<RetrieverConfig>(kCommon));
  expect_common(set<RankerConfig>(kCommon));
  expect_common(set<PretrainConfig>(kCommon));
}

// A run that goes on may have other limits, another rhythm of checkpoints and lines, and nothing
// else; with a schedule that ends at the last step, no other limits either.
TEST(TrainOptions, KeysThatAResumedRunMayChange) {
  const auto may_change = [](const std::string& assignment, const std::string& schedule) {
    RankerConfig config;
    ConfigSchema schema = config.schema();
    config.schedule = schedule;
    const auto before = schema.values();
    schema.set(assignment);
    try {
      return schema.changes_since(before, "run").size() == 1;
    } catch (const ConfigError&) {
      return false;
    }
  };
  for (const char* free : {"valid.patience=10", "checkpoint.every=12", "log.every=13",
                           "model.checkpoint_layers=true"}) {
    EXPECT_TRUE(may_change(free, "constant")) << free;
    EXPECT_TRUE(may_change(free, "linear")) << free;
  }
  for (const char* limit : {"train.epochs=5", "train.max_steps=6"}) {
    EXPECT_TRUE(may_change(limit, "constant")) << limit;
    EXPECT_FALSE(may_change(limit, "linear")) << limit;
    EXPECT_FALSE(may_change(limit, "cosine")) << limit;
  }
  for (const char* kept : {"seed=11",
                           "train.lr=0.25",
                           "train.weight_decay=0.125",
                           "train.batch=3",
                           "train.accumulate=4",
                           "train.clip=7.5",
                           "train.eps=0.5",
                           "train.warmup_steps=8",
                           "valid.every=9",
                           "valid.metric=MRR@5",
                           "valid.users=3",
                           "model.tuning=full",
                           "model.precision=bfloat16",
                           "lora.rank=4",
                           "lora.alpha=4",
                           "lora.dropout=0.5",
                           "lora.targets=q_proj",
                           "train.negatives=retriever",
                           "train.order=retrieval",
                           "train.only_retrieved=true",
                           "train.eos=false",
                           "loss.soft_target=0.5",
                           "loss.language=0.5",
                           "prompt.max_history=3",
                           "prompt.text={history}{candidates}"})
    EXPECT_FALSE(may_change(kept, "constant")) << kept;
}

TEST(RetrieverConfig, EveryKeySetsItsField) {
  const auto config = set<RetrieverConfig>(
      {"model.type=sasrec", "model.width=24", "model.blocks=3", "model.heads=4", "model.inner=5",
       "model.max_length=6", "model.dropout=0.25", "model.attn_dropout=0.5",
       "cloze.probability=0.75", "cloze.most=7", "valid.metric=MRR@5", "valid.exclude_history=true",
       "data.folds=8", "data.fold=2"});
  EXPECT_EQ(config.model_type, "sasrec");
  EXPECT_EQ(config.width, 24);
  EXPECT_EQ(config.blocks, 3);
  EXPECT_EQ(config.heads, 4);
  EXPECT_EQ(config.inner, 5);
  EXPECT_EQ(config.max_length, 6);
  EXPECT_EQ(config.dropout, 0.25);
  EXPECT_EQ(config.attn_dropout, 0.5);
  EXPECT_EQ(config.mask_probability, 0.75);
  EXPECT_EQ(config.max_masks, 7);
  EXPECT_EQ(config.metric, "MRR@5");
  EXPECT_TRUE(config.exclude_history);
  EXPECT_EQ(config.folds.count, 8);
  EXPECT_EQ(config.folds.left_out, 2);
}

TEST(RetrieverConfig, TheModelHasWhatTheKeysSay) {
  RetrieverConfig config;
  config.width = 24;
  config.blocks = 3;
  config.heads = 4;
  config.inner = 5;
  config.max_length = 6;
  config.dropout = 0.25;
  config.attn_dropout = 0.5;
  const auto model = [&](const char* type) {
    config.model_type = type;
    return make_retriever(config, 15, "cpu");
  };
  const auto lrurec = model("lrurec");
  const LruRecConfig& lru = dynamic_cast<const LruRec&>(*lrurec).config();
  EXPECT_EQ(lru.num_items, 15);
  EXPECT_EQ(lru.width, 24);
  EXPECT_EQ(lru.num_blocks, 3);
  EXPECT_EQ(lru.dropout, 0.25);
  EXPECT_EQ(lru.recurrent_dropout, 0.5);
  const auto narm = model("narm");
  const NarmConfig& gru = dynamic_cast<const Narm&>(*narm).config();
  EXPECT_EQ(gru.num_items, 15);
  EXPECT_EQ(gru.width, 24);
  EXPECT_EQ(gru.dropout, 0.25);
  EXPECT_EQ(gru.decoder_dropout, 0.5);
  const auto sasrec = model("sasrec"), bert4rec = model("bert4rec");
  for (const TransformerConfig& shape : {dynamic_cast<const SasRec&>(*sasrec).config(),
                                         dynamic_cast<const Bert4Rec&>(*bert4rec).config()}) {
    EXPECT_EQ(shape.num_items, 15);
    EXPECT_EQ(shape.width, 24);
    EXPECT_EQ(shape.blocks, 3);
    EXPECT_EQ(shape.heads, 4);
    EXPECT_EQ(shape.inner, 5);
    EXPECT_EQ(shape.max_length, 6);
    EXPECT_EQ(shape.dropout, 0.25);
    EXPECT_EQ(shape.attn_dropout, 0.5);
  }
  config.model_type = "lrurec";
  EXPECT_NE(dynamic_cast<const NextItem*>(make_objective(config, 15).get()), nullptr);
  config.model_type = "narm";
  EXPECT_NE(dynamic_cast<const NextOfPrefix*>(make_objective(config, 15).get()), nullptr);
  config.model_type = "bert4rec";
  EXPECT_NE(dynamic_cast<const Cloze*>(make_objective(config, 15).get()), nullptr);
}

TEST(RetrieverConfig, AnUnknownTypeIsRefusedWithTheNearest) {
  RetrieverConfig config;
  config.model_type = "sasreq";
  const std::string expected =
      "model.type is 'sasreq', expected one of lrurec, sasrec, narm, bert4rec, hstu, llmid; did "
      "you mean 'sasrec'?";
  const auto error_of = [](const auto& work) {
    try {
      work();
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error_of([&] { make_retriever(config, 15, "cpu"); }), expected);
  EXPECT_EQ(error_of([&] { make_objective(config, 15); }), expected);
}

// Users of 3 to 9 events, without the two held out: 46 training items of 12 users.
TEST(RetrieverConfig, WhatTheDataDecide) {
  const test::TemporaryFolder folder;
  const Dataset dataset = test::tiny_dataset(folder);
  RetrieverConfig config;
  config.resolve(dataset);
  EXPECT_EQ(config.max_length, 50);
  EXPECT_EQ(config.batch, 64);
  EXPECT_EQ(config.inner, 4);
  RetrieverConfig given;
  given.max_length = 200;
  given.model_type = "sasrec";
  given.resolve(dataset);
  EXPECT_EQ(given.batch, 16);
  EXPECT_EQ(given.inner, 2);
  given.folds = {.count = 13};
  EXPECT_THROW(given.resolve(dataset), ConfigError);
  given.folds = {.count = 3, .left_out = 3};
  EXPECT_THROW(given.resolve(dataset), ConfigError);

  const RetrieverModelConfig model = retriever_model_config(config, dataset);
  EXPECT_EQ(model.model_type, "lrurec");
  EXPECT_EQ(model.num_items, 15);
  EXPECT_EQ(model.width, 64);
  EXPECT_EQ(model.blocks, 2);
  EXPECT_EQ(model.heads, 2);
  EXPECT_EQ(model.inner, 4);
  EXPECT_EQ(model.max_length, 50);
  EXPECT_EQ(model.dataset_fingerprint, dataset.fingerprint());
}

TEST(RankerConfig, EveryKeySetsItsFieldAndTheModelsOptions) {
  const auto config = set<RankerConfig>(
      {"model.tuning=qlora", "model.precision=bfloat16", "model.checkpoint_layers=true",
       "lora.rank=4", "lora.alpha=6", "lora.dropout=0.25", "lora.targets=k_proj,up_proj",
       "train.negatives=crossfit", "train.order=retrieval", "train.only_retrieved=true",
       "train.eos=false", "loss.soft_target=0.5", "loss.language=0.75", "valid.metric=MRR@5",
       "valid.users=3", "prompt.max_history=7", "seed=5"});
  EXPECT_EQ(config.tuning, Tuning::kQlora);
  EXPECT_EQ(config.negatives, Negatives::kCrossfit);
  EXPECT_EQ(config.order, CandidateOrder::kRetrieval);
  EXPECT_TRUE(config.only_retrieved);
  EXPECT_FALSE(config.train_eos);
  EXPECT_EQ(config.soft_target, 0.5);
  EXPECT_EQ(config.language, 0.75);
  EXPECT_EQ(config.metric, "MRR@5");
  EXPECT_EQ(config.valid_users, 3);
  EXPECT_EQ(config.prompt.max_history, 7);
  const LlamaOptions options = config.llama_options();
  EXPECT_EQ(options.precision, Precision::kBfloat16);
  EXPECT_FALSE(options.train_base);
  EXPECT_TRUE(options.checkpoint_layers);
  EXPECT_EQ(options.seed, 5u);
  ASSERT_TRUE(options.lora.has_value());
  EXPECT_EQ(options.lora->rank, 4);
  EXPECT_EQ(options.lora->alpha, 6);
  EXPECT_EQ(options.lora->dropout, 0.25);
  EXPECT_EQ(options.lora->targets, (std::vector<std::string>{"k_proj", "up_proj"}));
  const LlamaOptions full = set<RankerConfig>({"model.tuning=full"}).llama_options();
  EXPECT_TRUE(full.train_base);
  EXPECT_FALSE(full.lora.has_value());
}

TEST(PretrainConfig, EveryKeySetsItsFieldAndTheModelsOptions) {
  const auto config =
      set<PretrainConfig>({"model.precision=bfloat16", "model.checkpoint_layers=true",
                           "data.block=33", "data.valid_share=0.25", "data.valid_texts=44",
                           "data.history_item=<{title}>", "data.separator=|", "data.max_history=5",
                           "data.max_title_tokens=6", "data.title_truncation=chars:9", "seed=7"});
  EXPECT_EQ(config.block, 33);
  EXPECT_EQ(config.valid_share, 0.25);
  EXPECT_EQ(config.valid_texts, 44);
  EXPECT_EQ(config.prompt.history_item, "<{title}>");
  EXPECT_EQ(config.prompt.separator, "|");
  EXPECT_EQ(config.prompt.max_history, 5);
  EXPECT_EQ(config.prompt.max_title_tokens, 6);
  EXPECT_EQ(config.prompt.title_truncation, "chars:9");
  const LlamaOptions options = config.llama_options();
  EXPECT_EQ(options.precision, Precision::kBfloat16);
  EXPECT_TRUE(options.train_base);
  EXPECT_TRUE(options.checkpoint_layers);
  EXPECT_FALSE(options.lora.has_value());
  EXPECT_EQ(options.seed, 7u);
}

}  // namespace
}  // namespace tandem::learn
