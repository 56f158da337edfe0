// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace tandem {

struct EncodeOptions {
  // BOS, EOS, CLS ... as the tokenizer's own template says.
  bool add_special = false;
  // Special tokens spelt out in the text become those tokens. For prompts of ours; never for user
  // data.
  bool parse_special = false;
};

// Half-open range in Unicode code points of the given text. A character cut into several tokens
// gives each the same.
struct TokenSpan {
  int64_t begin = 0, end = 0;
  bool operator==(const TokenSpan&) const = default;
};

struct Encoding {
  std::vector<int32_t> ids;
  std::vector<std::string>
      pieces;  // as the vocabulary spells them; an unknown piece may be the text itself
  std::vector<TokenSpan> offsets;
};

// Text to token ids and back. Ids are those of the file; every implementation agrees with the
// library the file was made for. Bytes that are not UTF-8 are read as U+FFFD. Safe for concurrent
// use.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;
  // Slower: keeps the way back from each token to the text.
  Encoding encode_with_offsets(std::string_view text, EncodeOptions options = {}) const;
  // A token sequence that ends inside a character gives U+FFFD there. Throws DataError for an id
  // out of range.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;

  // The piece as the vocabulary spells it; "" for an id that the vocabulary leaves out. DataError
  // out of range.
  virtual const std::string& piece(int32_t id) const = 0;
  virtual std::optional<int32_t> find_piece(std::string_view piece) const = 0;
  virtual int32_t vocab_size() const = 0;  // largest id + 1
  virtual bool is_special(int32_t id) const = 0;

  struct SpecialIds {
    std::optional<int32_t> bos, eos, unk, pad;
    bool no_bos = false;  // the files say that no text gets a BOS; else they may say nothing
  };
  const SpecialIds& special_ids() const { return special_ids_; }
  std::optional<int32_t> bos_id() const { return special_ids_.bos; }
  std::optional<int32_t> eos_id() const { return special_ids_.eos; }
  std::optional<int32_t> unk_id() const { return special_ids_.unk; }
  std::optional<int32_t> pad_id() const { return special_ids_.pad; }
  void set_special_ids(const SpecialIds& ids) { special_ids_ = ids; }

 protected:
  // text is valid UTF-8; offsets and pieces are filled only when wanted, offsets in bytes.
  virtual void encode_utf8(std::string_view text, EncodeOptions options, bool want_offsets,
                           Encoding& result) const = 0;
  // A last word on offsets, in code points.
  virtual void finish_offsets(Encoding&) const {}
  virtual std::string decode_ids(std::span<const int32_t> ids, bool skip_special) const = 0;

 private:
  SpecialIds special_ids_;
};

// A file (tokenizer.json, SentencePiece .model, tiktoken ranks, .gguf) or a Hugging Face folder,
// told apart by content. In a folder tokenizer.json goes before tokenizer.model, then vocab.json
// with merges.txt; the small files beside it add tokens, name the special ones and say whether BOS
// and EOS are added (folder_tokens.h). Throws FormatError or IoError.
std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path);

}  // namespace tandem
