// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "engine/retriever.h"

namespace tandem {

// What verbs ask that apply a retriever to a data set's histories.
struct RetrieverOptions {
  std::string run, dataset;
  std::string exclude = "window";  // see parse_seen_items
  int64_t max_length = RetrieverModelConfig{}.max_length;
};

// --run, --dataset, --exclude and --max-length; the defaults are those of `options`, which must
// outlive the parsing.
void add_retriever_options(CLI::App& verb, RetrieverOptions& options);

// --max-length alone, for verbs that name the retriever otherwise.
CLI::Option* add_max_length_option(CLI::App& verb, int64_t& max_length);

}  // namespace tandem
