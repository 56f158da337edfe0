// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/dataset_files.h"
#include "models/llama_init.h"
#include "support/temporary_folder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/trainer.h"

namespace tandem::test {

// A data set of 12 users, user u with 3 + u % 7 events over 15 items, titles "Film number N".
inline Dataset tiny_dataset(const TemporaryFolder& folder) {
  std::vector<std::string> users, items, titles;
  for (int u = 0; u < 12; ++u) users.push_back(fmt::format("u{:02}", u));
  for (int i = 1; i <= 15; ++i) {
    items.push_back(fmt::format("i{:02}", i));
    titles.push_back(fmt::format("Film number {}", i));
  }
  DenseLog log;
  log.user_ids.assign(users.begin(), users.end());
  log.item_ids.assign(items.begin(), items.end());
  log.titles.assign(titles.begin(), titles.end());
  log.offsets.push_back(0);
  for (int u = 0; u < 12; ++u) {
    for (int t = 0; t < 3 + u % 7; ++t) {
      log.items.push_back((u * 5 + t * 4) % 15 + 1);
      log.timestamps.push_back(100 + t);
      log.ratings.push_back(1);
    }
    log.offsets.push_back(log.items.size());
  }
  fs::create_directories(folder / "data");
  write_dataset_files(folder / "data", log, Json::object());
  return Dataset::open(folder / "data");
}

// A Hugging Face folder: byte-level BPE of a few hundred pieces and a random Llama.
inline fs::path tiny_base(const TemporaryFolder& folder, ThreadPool& pool) {
  BpeTrainer trainer(TokenizerStyle::kByteLevel);
  for (const char* text :
       {"### Instruction:\nGiven user history in chronological order", "### Input:\nUser history",
        "### Response:\n", "(1) Film number 12 \n (2) Film number 3", "Candidate pool: (A) Film"})
    trainer.add_text(text);
  LlamaConfig config;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_layers = 2;
  config.num_heads = config.num_kv_heads = 2;
  config.head_dim = 8;
  config.tied_head = true;
  const fs::path path = folder / "base";
  const std::string tokenizer = trainer.train(330, {});
  config.vocab_size = 400;
  write_random_llama(config, {.stddev = 0.3}, {path, kModelFolder, true}, pool);
  write_tokenizer_files(path, tokenizer, TokenizerStyle::kByteLevel);
  return path;
}

}  // namespace tandem::test
