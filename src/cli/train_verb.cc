// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/verbs.h"
#include "core/error.h"

namespace tandem {
namespace {

std::string describe_keys() {
  const std::string head =
      "Writes model.safetensors, config.json, config.yaml, run.json, metrics.jsonl, TensorBoard\n"
      "events and checkpoints to the run folder. Several processes train together under\n"
      "`mpirun -np N tandem train retriever ...`.\n\n"
      "Configuration keys (--set KEY=VALUE, or nested in the file of -c) and their defaults:\n";
  try {
    return head + load_learn().retriever_config_help();
  } catch (const Error& error) {
    return head + "not available: " + error.what();
  }
}

void add_retriever(CLI::App& train) {
  auto request = std::make_shared<TrainRetrieverRequest>();
  CLI::App* verb = train.add_subcommand(
      "retriever", "Train LRURec or SASRec on a data set, with validation and early stopping");
  verb->add_option("--dataset", request->dataset, "data set folder of `tandem data import`")
      ->required();
  verb->add_option("--output", request->output, "run folder to write")->required();
  verb->add_option("-c,--config", request->config, "YAML file of configuration keys")
      ->check(CLI::ExistingFile);
  verb->add_option("--set", request->assignments, "KEY=VALUE, above the file; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--device", request->device, "cpu, cuda or cuda:N")->capture_default_str();
  verb->add_option("--threads", request->threads, "CPU threads; 0: all this process may use")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_flag("--resume", request->resume,
                 "go on from the newest checkpoint in the run folder, if there is one");
  verb->add_flag("--overwrite", request->overwrite, "replace a run that is there");
  verb->footer(describe_keys);
  verb->callback([request] { load_learn().train_retriever(*request); });
}

}  // namespace

void add_train_verb(CLI::App& app) {
  CLI::App* train = app.add_subcommand("train", "Train a model");
  train->require_subcommand(1);
  add_retriever(*train);
}

}  // namespace tandem
