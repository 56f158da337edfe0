// SPDX-License-Identifier: Apache-2.0
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

void pretrain(const PretrainRequest& request, ProcessGroup& group) {
  Session session(request, "pretrain",
                  {request.model, request.text, request.dataset, request.config}, group);
  if (request.text.empty() == request.dataset.empty())
    throw UsageError("pretrain needs either --text PATH or --dataset DATASET");
  PretrainConfig config;
  session.read_config(config.schema());
  config.validate();
  session.check_config(config.schema());
  const auto tokenizer = load_tokenizer(request.model);
  const auto base = std::make_shared<HfFolder>(request.model);
  const auto wanted = LlamaConfig::from_json(base->config(), base->config_path().string());
  if (tokenizer->vocab_size() > wanted.vocab_size)
    throw DataError("{}: the tokenizer has {} tokens, the model {}", request.model.string(),
                    tokenizer->vocab_size(), wanted.vocab_size);
  LlamaOptions options = config.llama_options();
  options.device = at::Device(session.device());
  Llama model(*folder_weights(base), options);
  std::string dataset_fingerprint;
  PretrainTexts texts;
  if (request.dataset.empty()) {
    texts = document_texts(request.text, *tokenizer, config);
  } else {
    const Dataset dataset = Dataset::open(request.dataset);
    dataset_fingerprint = dataset.fingerprint();
    texts = history_texts(dataset, *tokenizer, config, session.pool());
  }
  PretrainTask task(model, *base, *tokenizer, config, std::move(texts));
  const int64_t reals = count_reals(model.parameters());
  const fs::path& source = request.dataset.empty() ? request.text : request.dataset;
  if (!session.announce(task, config)) return;
  RunFolder* folder =
      session.open_folder({.seed = static_cast<uint64_t>(config.seed),
                           .dataset_fingerprint = dataset_fingerprint,
                           .inputs = {{"base_weights", weights_fingerprint(*base)},
                                      {"inputs", task.fingerprint()},
                                      {"parameters", reals}},
                           .extra = {{"model", fs::absolute(request.model).string()},
                                     {"text", fs::absolute(source).string()}}},
                          config.schema().to_yaml());
  Trainer trainer(task, config, folder, group, session.pool());
  spdlog::info("{} parameters ({}, {} each), {}, at most {}", reals,
               counted(group.size(), "process", "processes"), counted(session.threads(), "thread"),
               counted(task.num_samples(), "text"), counted(trainer.total_steps(), "step"));
  session.train(trainer, config);
  if (folder != nullptr) {
    task.write_model(folder->path(), task.parameters());
    if (!request.dataset.empty()) write_json(folder->path() / kPromptFile, config.prompt.to_json());
  }
  group.barrier();
}

}  // namespace tandem::learn
