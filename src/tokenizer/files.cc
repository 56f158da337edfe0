// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/files.h"

#include "core/sha256.h"
#include "formats/gguf.h"
#include "tokenizer/gguf_vocab.h"

namespace tandem {

const std::vector<std::string>& tokenizer_file_names() {
  static const std::vector<std::string> names = {"tokenizer.json",
                                                 "tokenizer.model",
                                                 "tokenizer_config.json",
                                                 "vocab.json",
                                                 "merges.txt",
                                                 "special_tokens_map.json",
                                                 "added_tokens.json",
                                                 "spiece.model",
                                                 "encoder.json",
                                                 "vocab.bpe",
                                                 "sentencepiece.bpe.model"};
  return names;
}

std::string tokenizer_fingerprint(const fs::path& model) {
  Sha256 sha;
  if (is_gguf_file(model)) {
    for (const auto& [name, content] : gguf_tokenizer_files(read_gguf_vocabulary(model)))
      sha.add(name).add(content);
    return sha.hex();
  }
  for (const std::string& name : tokenizer_file_names()) {
    if (!fs::exists(model / name)) continue;
    sha.add(name).add(read_file(model / name));
  }
  return sha.hex();
}

void copy_tokenizer(const fs::path& from, const fs::path& to) {
  if (is_gguf_file(from)) return write_gguf_tokenizer(read_gguf_vocabulary(from), to);
  for (const std::string& name : tokenizer_file_names())
    if (fs::exists(from / name)) write_file(to / name, read_file(from / name));
  constexpr const char* kChat = "chat_template.jinja";
  if (fs::exists(from / kChat)) write_file(to / kChat, read_file(from / kChat));
}

}  // namespace tandem
