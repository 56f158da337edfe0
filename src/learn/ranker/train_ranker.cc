// SPDX-License-Identifier: Apache-2.0
#include "learn/ranker/train_ranker.h"

#include <memory>
#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "core/plural.h"
#include "learn/llama/llama_files.h"
#include "learn/llama/nf4_base.h"
#include "learn/llama/weights.h"
#include "learn/ranker/ranker_config.h"
#include "learn/ranker/ranker_task.h"
#include "learn/trainer/session.h"
#include "offline/crossfit.h"
#include "rank/ranker.h"
#include "rank/ranker_files.h"
#include "tokenizer/files.h"

namespace tandem::learn {
namespace {

CandidateSet valid_candidates(const TrainRequest& request, const Dataset& dataset,
                              const RankerConfig& config, ThreadPool& pool) {
  const fs::path file = request.input("candidates_valid");
  const fs::path source = file.empty() ? request.input("retriever") : file;
  if (source.empty())
    throw UsageError("train ranker needs --candidates-valid FILE or --retriever RUN");
  return load_candidates(source, dataset, Split::kValid, config.prompt.num_candidates, pool);
}

PrefixCandidates training_candidates(const TrainRequest& request, const Dataset& dataset,
                                     const RankerConfig& config, ThreadPool& pool) {
  if (config.negatives == Negatives::kUniform) return {};
  const fs::path retriever = request.input("retriever");
  if (retriever.empty())
    throw UsageError("train.negatives=retriever and crossfit need --retriever RUN");
  const bool crossfit = config.negatives == Negatives::kCrossfit;
  const auto retrieve = crossfit ? retrieve_crossfit : retrieve_for_prefixes;
  PrefixCandidates candidates =
      retrieve(retriever, dataset, training_prefixes(dataset), config.prompt.num_candidates, pool);
  spdlog::info("{} candidates: {}", crossfit ? "crossfit" : "retriever", candidates.describe());
  return candidates;
}

// A ranker's run stands for the model that it holds.
struct Start {
  fs::path base;
  std::optional<RankerFiles> run = {};
};

Start find_start(const fs::path& base) {
  if (!is_ranker_run(base)) return {base};
  const RankerFiles run = read_ranker_files(base);
  if (run.model.empty())
    throw UsageError(
        "--base {}: the run holds an adapter, not a model; `tandem model merge` puts it into its "
        "base {}",
        base.string(), run.base);
  return {base / run.model, run};
}

// What a resumed run finds of itself.
const OutputKind kResult = {
    .name = "a tuned model",
    .recognises = [](const fs::path& folder) { return fs::is_directory(folder); },
    .files = {"*"}};

std::string absolute_path(const fs::path& path) {
  return path.empty() ? "" : fs::absolute(path).string();
}

// Best adapter or model, and what `rerank` needs to know besides.
void write_result(const fs::path& run, const RankerTask& task, const RankerConfig& config,
                  const LlamaSource& base, const Dataset& dataset) {
  const bool full = config.tuning == Tuning::kFull;
  const std::string name = full ? "model" : "adapter";
  StagedFolder staged({run / name, kResult, true});
  task.write_model(staged.path(), task.parameters());
  staged.commit();
  write_ranker_files(run, {.base = fs::absolute(base.path()).lexically_normal().string(),
                           .adapter = full ? "" : name,
                           .model = full ? name : "",
                           .tokenizer_sha256 = tokenizer_fingerprint(base.path()),
                           .dataset_fingerprint = dataset.fingerprint(),
                           .prompt = config.prompt,
                           .label_ids = task.verbalizer().ids});
}

void train_ranker(const TrainRequest& request, ProcessGroup& group) {
  Session session(request, group);
  RankerConfig config;
  const Start start = find_start(request.input("base"));
  if (start.run) config.prompt = start.run->prompt;  // the same unless told otherwise
  session.read_config(config.schema());
  config.validate();
  session.check_config(config.schema());
  const Dataset dataset = Dataset::open(request.input("dataset"));
  const auto tokenizer = load_tokenizer(start.base);
  const auto base = open_llama(start.base);
  const auto weights = config.tuning == Tuning::kQlora ? nf4_base(base) : source_weights(base);
  LlamaOptions options = config.llama_options();
  options.device = at::Device(session.device());
  Llama model(*weights, options);

  const RankerInputs inputs{
      .valid = valid_candidates(request, dataset, config, session.pool()),
      .train = training_candidates(request, dataset, config, session.pool()),
      .teacher = config.soft_target > 0
                     ? std::make_unique<const Ranker>(load_ranker(start.base, config.prompt))
                     : nullptr};
  RankerTask task(model, *base, *tokenizer, dataset, config, inputs, session.pool());
  const int64_t reals = count_reals(model.parameters());
  if (!session.announce(task, config)) return;
  Json facts;
  if (session.first() && !session.resuming()) {
    facts = task.facts();
    facts["tokenizer"] = tokenizer_fingerprint(base->path());
  }
  RunFolder* folder = session.open_folder(
      {.seed = static_cast<uint64_t>(config.seed),
       .dataset_fingerprint = dataset.fingerprint(),
       .inputs = {{"base_weights", base->fingerprint()},
                  {"inputs", task.fingerprint()},
                  {"parameters", reals},
                  {"valid_users", task.num_valid_users()}},
       .extra = {{"dataset", absolute_path(request.input("dataset"))},
                 {"base", absolute_path(start.base)},
                 {"candidates_valid", absolute_path(request.input("candidates_valid"))},
                 {"retriever", absolute_path(request.input("retriever"))}},
       .facts = std::move(facts)},
      config.schema().to_yaml());
  Trainer trainer(task, config, folder, group, session.pool());
  spdlog::info(
      "{} of {}: {} of {} parameters are trained ({}, {} each), {}, at most {}; validation on {}",
      tuning_name(config.tuning), start.base.string(), reals, model.config().num_parameters(),
      counted(group.size(), "process", "processes"), counted(session.threads(), "thread"),
      counted(task.num_samples(), "sample"), counted(trainer.total_steps(), "step"),
      counted(task.num_valid_users(), "user"));
  session.train(trainer, config);
  if (folder != nullptr) write_result(folder->path(), task, config, *base, dataset);
  group.barrier();
}

}  // namespace

const TrainingVerb kTrainRanker = {
    .name = "train ranker",
    .keys = config_keys<RankerConfig>,
    .run = train_ranker,
    .saves_memory =
        "a smaller train.batch (with train.accumulate raised the result is the same), "
        "model.checkpoint_layers=true, model.tuning=qlora or lora, model.precision=bfloat16, a "
        "smaller prompt.max_tokens"};

}  // namespace tandem::learn
