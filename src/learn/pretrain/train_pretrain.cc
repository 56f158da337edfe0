// SPDX-License-Identifier: Apache-2.0
#include "learn/pretrain/train_pretrain.h"

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/plural.h"
#include "learn/llama/llama_files.h"
#include "learn/llama/weights.h"
#include "learn/pretrain/pretrain_config.h"
#include "learn/pretrain/pretrain_task.h"
#include "learn/trainer/session.h"
#include "rank/ranker_files.h"

namespace tandem::learn {

namespace {

void pretrain(const TrainRequest& request, ProcessGroup& group) {
  Session session(request, group);
  const fs::path from = request.input("model"), text = request.input("text");
  const fs::path data = request.input("dataset");
  if (text.empty() == data.empty())
    throw UsageError("pretrain needs either --text PATH or --dataset DATASET");
  PretrainConfig config;
  session.read_config(config.schema());
  config.validate();
  session.check_config(config.schema());
  const auto tokenizer = load_tokenizer(from);
  const auto base = open_llama(from);
  if (tokenizer->vocab_size() > base->config().vocab_size)
    throw DataError("{}: the tokenizer has {} tokens, the model {}", from.string(),
                    tokenizer->vocab_size(), base->config().vocab_size);
  LlamaOptions options = config.llama_options();
  options.device = at::Device(session.device());
  Llama model(*source_weights(base), options);
  std::string dataset_fingerprint;
  PretrainTexts texts;
  if (data.empty()) {
    texts = document_texts(text, *tokenizer, config);
  } else {
    const Dataset dataset = Dataset::open(data);
    dataset_fingerprint = dataset.fingerprint();
    texts = history_texts(dataset, *tokenizer, config, session.pool());
  }
  PretrainTask task(model, *base, *tokenizer, config, std::move(texts));
  const int64_t reals = count_reals(model.parameters());
  const fs::path source = data.empty() ? text : data;
  if (!session.announce(task, config)) return;
  RunFolder* folder = session.open_folder(
      {.seed = static_cast<uint64_t>(config.seed),
       .dataset_fingerprint = dataset_fingerprint,
       .inputs = {{"base_weights", base->fingerprint()},
                  {"inputs", task.fingerprint()},
                  {"parameters", reals}},
       .extra = {{"model", fs::absolute(from).string()}, {"text", fs::absolute(source).string()}}},
      config.schema().to_yaml());
  Trainer trainer(task, config, folder, group, session.pool());
  spdlog::info("{} parameters ({}, {} each), {}, at most {}", reals,
               counted(group.size(), "process", "processes"), counted(session.threads(), "thread"),
               counted(task.num_samples(), "text"), counted(trainer.total_steps(), "step"));
  session.train(trainer, config);
  if (folder != nullptr) {
    task.write_model(folder->path(), task.parameters());
    if (!data.empty()) write_json(folder->path() / kPromptFile, config.prompt.to_json());
  }
  group.barrier();
}

}  // namespace

const TrainingVerb kPretrain = {
    .name = "pretrain",
    .keys = config_keys<PretrainConfig>,
    .run = pretrain,
    .saves_memory =
        "a smaller train.batch (with train.accumulate raised the result is the same), "
        "model.checkpoint_layers=true, model.precision=bfloat16, a smaller data.block"};

}  // namespace tandem::learn
