// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "tokenizer/added_tokens.h"
#include "tokenizer/decoder.h"
#include "tokenizer/editable_tokenizer.h"
#include "tokenizer/model.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"

namespace tandem {

// The tokenizer of Hugging Face's tokenizer.json, made of its parts: added tokens are cut out of
// the text, the stretches between them normalised, cut into words and encoded by the model; the
// post-processor frames the whole. tiktoken and GGUF vocabularies are built from the same parts.
struct PipelineParts {
  Normalizers normalizers;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<TokenModel> model;
  PostProcessor post_processor;
  Decoders decoders;
  std::vector<AddedToken> added_tokens;
  bool join_with_spaces = false;  // decoding without any decoder puts a space between pieces
};

class PipelineTokenizer : public EditableTokenizer {
 public:
  // Throws FormatError that names `where` when the template uses ids that do not exist.
  PipelineTokenizer(PipelineParts parts, std::string_view where);

  const std::string& piece(int32_t id) const override;
  std::optional<int32_t> find_piece(std::string_view piece) const override;
  int32_t vocab_size() const override { return vocab_size_; }
  bool is_special(int32_t id) const override;
  void add_tokens(std::span<const AddedToken> tokens) override;
  bool is_added(std::string_view text) const override {
    return added_ids_.contains(std::string(text));
  }
  void set_template(std::vector<int32_t> prefix, std::vector<int32_t> suffix) override;

  // Where the pre-tokenizer cuts the normalised text, added tokens apart: exclusive ends in code
  // points.
  std::vector<int64_t> split_ends(std::string_view text) const;

 protected:
  void encode_utf8(std::string_view text, EncodeOptions options, bool want_offsets,
                   Encoding& result) const override;
  void finish_offsets(Encoding& encoding) const override {
    parts_.post_processor.trim_offsets(encoding);
  }
  std::string decode_ids(std::span<const int32_t> ids, bool skip_special) const override;

 private:
  class CacheLease;
  struct Sink;
  // The tables of parts_.added_tokens.
  void index_added_tokens();
  void encode_stretch(std::string_view text, size_t begin, size_t end, EncodeOptions options,
                      Sink& sink) const;

  PipelineParts parts_;
  int32_t vocab_size_ = 0;
  AddedTokenMatcher raw_matcher_, normalized_matcher_;
  struct Added {
    std::string content;
    std::string decoded;  // normalised, where the token is
    bool special = false, skipped = false;
  };
  std::unordered_map<int32_t, Added> added_;
  std::unordered_map<std::string, int32_t> added_ids_;
  mutable std::mutex mutex_;  // guards caches_
  mutable std::vector<std::unique_ptr<WordCache>> caches_;
};

}  // namespace tandem
