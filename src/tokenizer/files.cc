// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/files.h"

#include "core/sha256.h"

namespace tandem {

const std::vector<std::string>& tokenizer_file_names() {
  static const std::vector<std::string> names = {
      "tokenizer.json", "tokenizer.model",         "tokenizer_config.json", "vocab.json",
      "merges.txt",     "special_tokens_map.json", "added_tokens.json"};
  return names;
}

std::string tokenizer_fingerprint(const fs::path& folder) {
  Sha256 sha;
  for (const std::string& name : tokenizer_file_names()) {
    if (!fs::exists(folder / name)) continue;
    sha.add(name).add(read_file(folder / name));
  }
  return sha.hex();
}

void copy_tokenizer(const fs::path& from, const fs::path& to) {
  for (const std::string& name : tokenizer_file_names())
    if (fs::exists(from / name)) write_file(to / name, read_file(from / name));
}

}  // namespace tandem
