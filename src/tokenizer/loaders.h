// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "tokenizer/pipeline.h"

namespace tandem {

// One loader a format; load_tokenizer() chooses. All throw FormatError or IoError.

std::unique_ptr<PipelineTokenizer> load_tokenizer_json(const fs::path& path);
// text is the content of a tokenizer.json, `where` its name in errors.
std::unique_ptr<PipelineTokenizer> parse_tokenizer_json(std::string_view text,
                                                        std::string_view where);

// vocab.json and merges.txt: GPT-2's byte-level BPE, or Qwen2's where its tokenizer_config.json
// says so.
std::unique_ptr<PipelineTokenizer> load_vocab_and_merges(const fs::path& vocab,
                                                         const fs::path& merges, bool qwen2);

// Lines of base64 and rank. Split pattern and special tokens are not in the file: cl100k_base and
// r50k_base (p50k_base) are known by name, everything else is taken as Llama 3's.
std::unique_ptr<PipelineTokenizer> load_tiktoken(const fs::path& path);

// The vocabulary in a GGUF file's metadata: SentencePiece BPE ("llama") and byte-level BPE
// ("gpt2").
std::unique_ptr<PipelineTokenizer> load_gguf_tokenizer(const fs::path& path);

struct SentencePieceOptions {
  // With special tokens in the text: every stretch between them gets the model's space before it
  // (Llama's "legacy"), or only the first.
  bool legacy = true;
};
// Adds BOS where the model has one, else EOS.
std::unique_ptr<EditableTokenizer> load_sentencepiece(const fs::path& path,
                                                      const SentencePieceOptions& options = {});
// The same BPE model as transformers 5 reads it: a tokenizer.json with the Metaspace pre-tokenizer.
std::unique_ptr<PipelineTokenizer> load_sentencepiece_as_pipeline(const fs::path& path,
                                                                  PrependScheme scheme);

extern const char* const kGpt2SplitPattern;
extern const char* const kLlama3SplitPattern;
extern const char* const kQwen2SplitPattern;

}  // namespace tandem
