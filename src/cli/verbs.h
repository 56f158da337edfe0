// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "learn/learn.h"

namespace tandem {

// Each adds one verb to the command line; the verb's callback does the work and throws
// tandem::Error. One file a verb: data_verb.cc, train_verb.cc, ...
void add_data_verb(CLI::App& app);
void add_model_verb(CLI::App& app);
void add_tokenizer_verb(CLI::App& app);
void add_train_verb(CLI::App& app);
void add_retrieve_verb(CLI::App& app);
void add_eval_verb(CLI::App& app);
void add_compare_verb(CLI::App& app);
void add_recommend_verb(CLI::App& app);
void add_bench_verb(CLI::App& app);
void add_doctor_verb(CLI::App& app);

// Loads libtandem_learn.so from beside the program; DeviceError says what is missing and how to get
// it.
Learn& load_learn();

}  // namespace tandem
