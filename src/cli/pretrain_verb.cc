// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "cli/verbs.h"

namespace tandem {

void add_pretrain_verb(CLI::App& app) {
  auto request = std::make_shared<learn::TrainRequest>(learn::TrainRequest{.verb = "pretrain"});
  CLI::App* verb = app.add_subcommand(
      "pretrain", "Causal language modelling of a small base on text or on users' histories");
  verb->add_option("--model", request->inputs["model"],
                   "Hugging Face folder or GGUF file to start from")
      ->required()
      ->check(CLI::ExistingPath);
  CLI::Option* text = verb->add_option("--text", request->inputs["text"],
                                       "text file, or folder of .txt files; a line is a document")
                          ->check(CLI::ExistingPath);
  verb->add_option("--dataset", request->inputs["dataset"],
                   "data set whose training histories are written as text")
      ->check(CLI::ExistingDirectory)
      ->excludes(text);
  add_training_options(*verb, *request);
  verb->footer([request] {
    return "The output is a run folder and a Hugging Face folder at once: give it as --base to "
           "`tandem train ranker`, or as --model to `tandem generate`.\n\n"
           "  tandem tokenizer train --input D --titles-as-tokens D --vocab-size 400 --output T\n"
           "  tandem model init --preset tiny --tokenizer T --output M\n"
           "  tandem pretrain --model M --dataset D --output BASE\n\n" +
           training_keys(request->verb);
  });
  verb->callback([request] { load_learn().train(*request); });
}

}  // namespace tandem
