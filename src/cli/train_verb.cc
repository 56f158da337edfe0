// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/verbs.h"
#include "core/error.h"

namespace tandem {
namespace {

constexpr const char* kRetrieverFooter =
    "Writes model.safetensors, config.json, config.yaml, run.json, metrics.jsonl, TensorBoard "
    "events and checkpoints to the run folder. Several processes train together under "
    "`mpirun -np N tandem train retriever ...`.\n\n"
    "--folds K also trains, into RUN/folds/0 to K-1, a retriever without the users of each fold "
    "(user number modulo K): `train ranker --set train.negatives=crossfit` takes each training "
    "prompt's candidates from the one that has not seen its user. --resume goes on in the fold "
    "that was interrupted, or adds folds to a finished run.\n\n";

constexpr const char* kRankerFooter =
    "Trains LlamaRec's ranker: the base learns to answer with the letter of the next item among "
    "the candidates. Writes adapter/ (a PEFT folder) or, with model.tuning=full, model/ (a "
    "Hugging Face folder), ranker.json with prompt and label ids, metrics.jsonl and "
    "checkpoints.\n\n"
    "  tandem retrieve --run RETRIEVER --dataset D --split valid -k 20 --output valid.safetensors\n"
    "  tandem train ranker --dataset D --base LLAMA --candidates-valid valid.safetensors --output "
    "RUN\n\n";

constexpr const char* kHllmFooter =
    "Trains HLLM: an Item LLM turns the text of an item into a vector, a User LLM reads the "
    "vectors "
    "of a history and says the next one. Writes item_llm/ and user_llm/ (Hugging Face folders), "
    "extra_parameters.safetensors, config.json, metrics.jsonl and checkpoints.\n\n"
    "  tandem train hllm --dataset D --base LLAMA --output RUN --set item.layers=4 --set "
    "user.layers=4\n\n"
    "In two stages: train as above, then the User LLM alone on longer histories; the items are "
    "then encoded once:\n\n"
    "  tandem train hllm --dataset D --base RUN --output RUN2 --set item.tuning=frozen --set "
    "train.freeze=item_emb_tokens --set model.max_length=50\n\n";

void add_retriever(CLI::App& train) {
  auto request =
      std::make_shared<learn::TrainRequest>(learn::TrainRequest{.verb = "train retriever"});
  CLI::App* verb = train.add_subcommand("retriever",
                                        "Train LRURec, SASRec, NARM, BERT4Rec, HSTU or LLMIDRec "
                                        "(model.type), with validation and early stopping");
  verb->add_option("--dataset", request->inputs["dataset"],
                   "data set folder of `tandem data import`")
      ->required();
  auto folds = std::make_shared<int64_t>(0);
  verb->add_option("--folds", *folds, "also train on all folds of the users but one, for each fold")
      ->check(CLI::Range(2, 1000));
  add_training_options(*verb, *request);
  verb->footer([request] { return kRetrieverFooter + training_keys(request->verb); });
  verb->callback([request, folds] {
    if (*folds > 0) request->assignments.push_back(fmt::format("data.folds={}", *folds));
    load_learn().train(*request);
  });
}

void add_ranker(CLI::App& train) {
  auto request = std::make_shared<learn::TrainRequest>(learn::TrainRequest{.verb = "train ranker"});
  CLI::App* verb = train.add_subcommand(
      "ranker", "Tune a Llama to rank a retriever's candidates (LoRA, QLoRA or all weights)");
  verb->add_option("--dataset", request->inputs["dataset"],
                   "data set folder of `tandem data import`")
      ->required();
  verb->add_option(
          "--base", request->inputs["base"],
          "Hugging Face folder or GGUF file of the base model, or a ranker's run with a tuned "
          "model")
      ->required()
      ->check(CLI::ExistingPath);
  verb->add_option("--candidates-valid", request->inputs["candidates_valid"],
                   "candidate file of the valid split, to validate on")
      ->check(CLI::ExistingFile);
  verb->add_option("--retriever", request->inputs["retriever"],
                   "a retriever's run: finds the candidates to validate on, and "
                   "with train.negatives=retriever or crossfit those to train on")
      ->check(CLI::ExistingDirectory);
  add_training_options(*verb, *request);
  verb->footer([request] { return kRankerFooter + training_keys(request->verb); });
  verb->callback([request] { load_learn().train(*request); });
}

void add_hllm(CLI::App& train) {
  auto request = std::make_shared<learn::TrainRequest>(learn::TrainRequest{.verb = "train hllm"});
  CLI::App* verb = train.add_subcommand(
      "hllm", "Train HLLM, a retriever of two Llamas: one reads items' texts, one histories");
  verb->add_option("--dataset", request->inputs["dataset"],
                   "data set folder of `tandem data import`")
      ->required();
  verb->add_option("--base", request->inputs["base"],
                   "Hugging Face folder or GGUF file that both towers begin with, or a run of HLLM "
                   "to train further")
      ->required()
      ->check(CLI::ExistingPath);
  verb->add_option("--user-base", request->inputs["user_base"],
                   "folder or file that the User LLM begins with, where it is another one")
      ->check(CLI::ExistingPath);
  add_training_options(*verb, *request);
  verb->footer([request] { return kHllmFooter + training_keys(request->verb); });
  verb->callback([request] { load_learn().train(*request); });
}

}  // namespace

void add_training_options(CLI::App& verb, learn::TrainRequest& request) {
  verb.add_option("--output", request.output, "run folder to write")->required();
  verb.add_option("-c,--config", request.config, "YAML file of configuration keys")
      ->check(CLI::ExistingFile);
  verb.add_option("--set", request.assignments, "KEY=VALUE, above the file; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb.add_option("--device", request.device, "cpu, cuda or cuda:N")->capture_default_str();
  verb.add_option("--threads", request.threads, "CPU threads; 0: all this process may use")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb.add_flag("--resume", request.resume,
                "go on from the newest checkpoint in the run folder, if there is one");
  verb.add_flag("--overwrite", request.overwrite, "replace a run that is there");
  verb.add_flag("--dry-run", request.dry_run,
                "print samples, steps, validation and memory, and write nothing");
}

std::string training_keys(const std::string& verb) {
  const std::string head =
      "Configuration keys (--set KEY=VALUE, or nested in the file of -c) and their defaults:\n";
  try {
    return head + load_learn().config_help(verb);
  } catch (const Error& error) {
    return head + "not available: " + error.what();
  }
}

void add_train_verb(CLI::App& app) {
  CLI::App* train = app.add_subcommand("train", "Train a model");
  train->require_subcommand(1);
  add_retriever(*train);
  add_ranker(*train);
  add_hllm(*train);
  add_train_star(*train);
}

}  // namespace tandem
