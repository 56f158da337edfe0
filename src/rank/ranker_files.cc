// SPDX-License-Identifier: Apache-2.0
#include "rank/ranker_files.h"

#include "core/error.h"
#include "core/json.h"
#include "tokenizer/files.h"

namespace tandem {
namespace {

constexpr const char* kFileName = "ranker.json";
constexpr int64_t kVersion = 1;

}  // namespace

void write_ranker_files(const fs::path& run, const RankerFiles& files) {
  write_json(run / kFileName, {{"format", kVersion},
                               {"base", files.base},
                               {"adapter", files.adapter},
                               {"model", files.model},
                               {"tokenizer_sha256", files.tokenizer_sha256},
                               {"dataset_fingerprint", files.dataset_fingerprint},
                               {"prompt", files.prompt.to_json()},
                               {"label_ids", files.label_ids}});
}

bool is_ranker_run(const fs::path& folder) { return fs::exists(folder / kFileName); }

RankerFiles read_ranker_files(const fs::path& run) {
  const fs::path path = run / kFileName;
  const std::string where = path.string();
  const Json json = read_json(path);
  const auto version = json_get<int64_t>(json, "format", where);
  if (version != kVersion)
    throw FormatError("{}: format is {}, this program reads {}", where, version, kVersion);
  RankerFiles files{
      .base = json_get<std::string>(json, "base", where),
      .adapter = json_get<std::string>(json, "adapter", where),
      .model = json_get<std::string>(json, "model", where),
      .tokenizer_sha256 = json_get<std::string>(json, "tokenizer_sha256", where),
      .dataset_fingerprint = json_get<std::string>(json, "dataset_fingerprint", where),
      .prompt = PromptConfig::from_json(json_get<Json>(json, "prompt", where), where + ": prompt"),
      .label_ids = json_get<std::vector<int32_t>>(json, "label_ids", where)};
  if (files.adapter.empty() == files.model.empty())
    throw FormatError("{}: expected either an adapter or a model", where);
  if (std::ssize(files.label_ids) != files.prompt.num_candidates)
    throw FormatError("{}: {} label ids, expected {}", where, files.label_ids.size(),
                      files.prompt.num_candidates);
  return files;
}

std::string model_tokenizer(const fs::path& run_or_model) {
  if (is_ranker_run(run_or_model)) return read_ranker_files(run_or_model).tokenizer_sha256;
  return tokenizer_fingerprint(run_or_model);
}

PromptConfig model_prompt(const fs::path& model) {
  const fs::path file = model / kPromptFile;
  return fs::exists(file) ? PromptConfig::from_json(read_json(file), file.string())
                          : PromptConfig{};
}

}  // namespace tandem
