// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"
#include "rank/prompt.h"

namespace tandem {

// What a ranker's run says about itself in ranker.json; paths as they were given, those inside the
// run relative to it.
struct RankerFiles {
  std::string base;              // Hugging Face folder or GGUF file of the base model, absolute
  std::string adapter;           // "adapter", a PEFT folder, or ""
  std::string model;             // "model", the tuned model as a Hugging Face folder, or ""
  std::string tokenizer_sha256;  // tokenizer_fingerprint of the base
  std::string dataset_fingerprint;
  PromptConfig prompt;
  std::vector<int32_t> label_ids;  // of the letters, as read when scoring
};
void write_ranker_files(const fs::path& run, const RankerFiles& files);
RankerFiles read_ranker_files(const fs::path& run);

// Whether the folder is a ranker's run.
bool is_ranker_run(const fs::path& folder);
// tokenizer_fingerprint of a ranker's run or of a model.
std::string model_tokenizer(const fs::path& run_or_model);

// prompt.json beside a model's files: how `pretrain --dataset` wrote the histories it learned,
// which is the prompt to use it with unless one is asked for. Without such a file, the defaults.
inline constexpr const char* kPromptFile = "prompt.json";
PromptConfig model_prompt(const fs::path& model);

}  // namespace tandem
