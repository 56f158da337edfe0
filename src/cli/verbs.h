// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "learn/learn.h"

namespace tandem {

// Each adds one verb to the command line; the verb's callback does the work and throws
// tandem::Error. One file a verb: data_verb.cc, train_verb.cc, ...
void add_data_verb(CLI::App& app);
void add_model_verb(CLI::App& app);
void add_tokenizer_verb(CLI::App& app);
void add_train_verb(CLI::App& app);
void add_embed_verb(CLI::App& app);
void add_retrieve_verb(CLI::App& app);
void add_eval_verb(CLI::App& app);
void add_compare_verb(CLI::App& app);
void add_report_verb(CLI::App& app);
void add_study_verb(CLI::App& app);
void add_recommend_verb(CLI::App& app);
void add_rerank_verb(CLI::App& app);
void add_pretrain_verb(CLI::App& app);
void add_generate_verb(CLI::App& app);
void add_bench_verb(CLI::App& app);
void add_doctor_verb(CLI::App& app);

// `train star`, which needs no libtorch.
void add_train_star(CLI::App& train);
// What every training verb takes: --output, -c, --set, --device, --threads, --resume, --overwrite,
// --dry-run.
void add_training_options(CLI::App& verb, learn::TrainRequest& request);
// The verb's configuration keys, for its help.
std::string training_keys(const std::string& verb);

// Loads libtandem_learn.so from beside the program; DeviceError says what is missing and how to get
// it.
learn::Learn& load_learn();

}  // namespace tandem
