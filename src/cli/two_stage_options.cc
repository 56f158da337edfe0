// SPDX-License-Identifier: Apache-2.0
#include "cli/two_stage_options.h"

#include <memory>
#include <utility>

#include "core/config.h"
#include "rank/hllm_catalogue.h"
#include "rank/ranker_files.h"

namespace tandem {

void add_two_stage_options(CLI::App& verb, TwoStageOptions& options) {
  const std::string group = "Second stage: a language model ranks the retriever's candidates";
  verb.add_option("--ranker", options.ranker,
                  "run of `tandem train ranker`, or a model folder or GGUF file as it is: ranks by "
                  "the letters' logits")
      ->check(CLI::ExistingPath)
      ->group(group);
  verb.add_option("--likelihood", options.likelihood,
                  "model (as of `tandem pretrain`) that ranks by how likely a title follows the "
                  "history")
      ->check(CLI::ExistingPath)
      ->group(group);
  verb.add_option("--judge", options.judge,
                  "run of `tandem train hllm` with rank.form: ranks by how likely an item is taken")
      ->check(CLI::ExistingDirectory)
      ->group(group);
  verb.add_option("--base", options.base, "where the ranker's base model lies now")
      ->check(CLI::ExistingPath)
      ->group(group);
  verb.add_option(
          "--precision", options.precision,
          "of the models' products: float32, or bfloat16, twice as fast where the CPU has it")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str()
      ->group(group);
  verb.add_option("--set", options.assignments,
                  "prompt.KEY=VALUE, as prompt.history_item={title}, over the prompt that the "
                  "model was pre-trained with; a ranker's run keeps its own")
      ->group(group);
  verb.add_option("--permutations", options.permutations,
                  "average the letters' probabilities over so many orders of the candidates, "
                  "each a turn of the retriever's; costs as many passes")
      ->check(CLI::Range(1, 52))
      ->capture_default_str()
      ->group(group);
}

PromptConfig prompt_for(const fs::path& model, std::span<const std::string> assignments) {
  PromptConfig prompt = model_prompt(model);
  ConfigSchema schema;
  prompt.add_keys(schema);
  for (const std::string& assignment : assignments) schema.set(assignment);
  prompt.validate();
  return prompt;
}

SecondStageModels load_two_stage_models(const TwoStageOptions& options, const Dataset& dataset,
                                        ThreadPool& pool) {
  SecondStageModels models{.permutations = options.permutations};
  const auto load = [&](const std::string& path, const std::string& base) {
    auto model =
        std::make_unique<TitledRanker>(load_ranker(path, prompt_for(path, options.assignments),
                                                   base, parse_precision(options.precision)),
                                       dataset, pool);
    model->tokenizer = model_tokenizer(path);
    return model;
  };
  if (!options.likelihood.empty()) {
    models.likelihood = load(options.likelihood, "");
    models.num_candidates = models.likelihood->ranker.config().num_candidates;
  }
  if (!options.ranker.empty()) {
    models.letters = load(options.ranker, options.base);
    models.num_candidates = models.letters->ranker.config().num_candidates;
  }
  if (!options.judge.empty()) {
    HllmCatalogue catalogue = open_hllm_catalogue(options.judge, dataset);
    models.judge = std::make_unique<const engine::Hllm>(
        catalogue.files, std::move(catalogue.vectors), parse_precision(options.precision));
    if (models.judge->ranking() == HllmRanking::kNone)
      throw UsageError("{} does not judge candidates; train it with rank.form=late or early",
                       options.judge);
  }
  if (options.permutations > 1 && !models.letters)
    throw UsageError("--permutations needs --ranker: only letters have an order");
  if (options.permutations > models.num_candidates)
    throw UsageError("--permutations is {}; {} candidates have no more turns", options.permutations,
                     models.num_candidates);
  return models;
}

}  // namespace tandem
