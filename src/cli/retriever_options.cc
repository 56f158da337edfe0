// SPDX-License-Identifier: Apache-2.0
#include "cli/retriever_options.h"

namespace tandem {

CLI::Option* add_max_length_option(CLI::App& verb, int64_t& max_length) {
  return verb
      .add_option("--max-length", max_length, "history length of a checkpoint that does not say it")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
}

void add_retriever_options(CLI::App& verb, RetrieverOptions& options) {
  verb.add_option("--run", options.run,
                  "a retriever's run folder, or an authors' checkpoint (.pth, .safetensors)")
      ->required();
  verb.add_option("--dataset", options.dataset, "data set folder, from `tandem data import`")
      ->required();
  verb.add_option(
          "--exclude", options.exclude,
          "known items that are left out: window (those the model sees; the default of eval "
          "and retrieve), history (all known; the default of recommend; also full), none")
      ->capture_default_str();
  add_max_length_option(verb, options.max_length);
}

}  // namespace tandem
