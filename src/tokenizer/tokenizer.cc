// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "tokenizer/apply_folder_tokens.h"
#include "tokenizer/loaders.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

// Byte offsets, ascending or not, to code points of text.
void to_code_points(std::string_view text, std::vector<TokenSpan>& spans) {
  std::vector<uint32_t> chars(text.size() + 1);
  uint32_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) ++count;
    chars[i] = count - 1;
  }
  chars[text.size()] = count;
  for (TokenSpan& span : spans) {
    // A span may end inside a character; it then covers the whole of it.
    const bool inside = static_cast<size_t>(span.end) < text.size() &&
                        (static_cast<unsigned char>(text[span.end]) & 0xC0) == 0x80;
    const uint32_t end = chars[span.end] + (inside ? 1 : 0);
    span = {chars[span.begin], end};
  }
}

std::string checked_text(std::string_view text) {
  if (text.size() > UINT32_MAX / 4)
    throw DataError("a text of {} bytes is too long to be encoded at once", text.size());
  return repair_utf8(text);
}

// A SentencePiece model is a protocol buffer whose first field, a piece, begins with the byte 0x0A;
// a rank file is text of base64 and digits.
bool looks_like_ranks(std::string_view text) {
  const std::string_view line =
      text.substr(0, std::min(text.find('\n'), std::min<size_t>(text.size(), 4096)));
  const size_t space = line.find(' ');
  return space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
         std::all_of(line.begin() + static_cast<ptrdiff_t>(space) + 1, line.end(),
                     [](char c) { return (c >= '0' && c <= '9') || c == '\r'; });
}

struct Loaded {
  std::unique_ptr<EditableTokenizer> tokenizer;
  VocabularyFile from = VocabularyFile::kOther;
};

Loaded load_file(const fs::path& path, const SentencePieceOptions& options) {
  const MappedFile file(path);
  const std::string_view text = file.text();
  if (text.starts_with("GGUF")) return {load_gguf_tokenizer(path)};
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{')
    return {load_tokenizer_json(path), VocabularyFile::kTokenizerJson};
  if (looks_like_ranks(text)) return {load_tiktoken(path)};
  if (text.starts_with('\x0A'))
    return {load_sentencepiece(path, options), VocabularyFile::kSentencePiece};
  throw FormatError(
      "{}: neither tokenizer.json nor a SentencePiece model, a tiktoken rank file or GGUF",
      path.string());
}

Loaded load_vocabulary(const fs::path& folder, const FolderTokens& tokens) {
  if (fs::exists(folder / "tokenizer.json"))
    return {load_tokenizer_json(folder / "tokenizer.json"), VocabularyFile::kTokenizerJson};
  const std::string where = tokens.config_path.string();
  const SentencePieceOptions options{.legacy = field_or(tokens.config, "legacy", true, where)};
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"})
    if (fs::exists(folder / name)) return load_file(folder / name, options);
  const bool qwen2 =
      field_or<std::string>(tokens.config, "tokenizer_class", "", where).starts_with("Qwen2");
  // The second pair of names is that of OpenAI's own GPT-2 release.
  for (const auto& [vocab, merges] :
       {std::pair{"vocab.json", "merges.txt"}, std::pair{"encoder.json", "vocab.bpe"}}) {
    if (fs::exists(folder / vocab))
      return {load_vocab_and_merges(folder / vocab, folder / merges, qwen2)};
  }
  throw IoError("{}: holds no tokenizer.json, tokenizer.model or vocab.json", folder.string());
}

std::unique_ptr<Tokenizer> load_folder(const fs::path& folder) {
  const FolderTokens tokens = read_folder_tokens(folder);
  Loaded loaded = load_vocabulary(folder, tokens);
  apply_folder_tokens(tokens, loaded.from, *loaded.tokenizer);
  return std::move(loaded.tokenizer);
}

}  // namespace

std::vector<int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  Encoding result;
  result.ids.reserve(text.size() / 3 + 4);
  if (is_valid_utf8(text) && text.size() <= UINT32_MAX / 4) {
    encode_utf8(text, options, false, result);
  } else {
    encode_utf8(checked_text(text), options, false, result);
  }
  return std::move(result.ids);
}

Encoding Tokenizer::encode_with_offsets(std::string_view text, EncodeOptions options) const {
  const std::string valid = checked_text(text);
  Encoding result;
  encode_utf8(valid, options, true, result);
  to_code_points(valid, result.offsets);
  finish_offsets(result);
  return result;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  return decode_ids(ids, skip_special);
}

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path) {
  if (fs::is_directory(path)) return load_folder(path);
  return std::move(load_file(path, {}).tokenizer);
}

}  // namespace tandem
