// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/json.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

// LlamaRec's prompt as data. Defaults are its authors' strings and limits (alpaca_short).
//
//   text = ... {history} ... {candidates} ...     each list joined by `separator`
//   history_item    "({number}) {title}"          number from 1, oldest first
//   candidate_item  "({letter}) {title}"          letters A..Z, then a..z
//
// The answer is the letter right behind the text.
struct PromptConfig {
  std::string text =
      "### Instruction:\nGiven user history in chronological order, recommend an item from the "
      "candidate pool with its index letter.\n\n### Input:\nUser history: {history}; \n Candidate "
      "pool: {candidates}\n\n### Response:\n";
  std::string history_item = "({number}) {title}";
  std::string candidate_item = "({letter}) {title}";
  std::string separator = " \n ";
  int64_t max_history = 20;     // the newest items
  int64_t num_candidates = 20;  // at most 52
  int64_t max_title_tokens = 32;
  int64_t max_tokens = 1536;  // of a whole prompt, BOS included; what is too long loses its start
  // "model": the first max_title_tokens tokens of the title alone, turned back into text by the
  // model's tokenizer; "fixed:PATH": the same by another tokenizer, so that two models read equal
  // text; "chars:N": the first N characters.
  std::string title_truncation = "model";
  std::string verbalizer = "exact";  // or "compat"; see verbalizer.h

  // Keys "prompt.text" ..., bound to this object.
  void add_keys(ConfigSchema& schema);
  // ConfigError naming the key.
  void validate() const;
  Json to_json() const;
  static PromptConfig from_json(const Json& json, std::string_view where);
};

// "A".."Z", "a".."z".
std::string letter_of(int64_t candidate);

// How titles are cut. Safe for concurrent use.
class TitleCutter {
 public:
  // tokenizer is the model's and must outlive the cutter. Throws ConfigError, IoError, FormatError.
  TitleCutter(const PromptConfig& config, const Tokenizer& tokenizer);
  std::string cut(std::string_view title) const;

 private:
  std::unique_ptr<Tokenizer> fixed_;
  const Tokenizer* tokenizer_ = nullptr;  // null: by characters
  int64_t limit_ = 0;
};

// All titles of a data set, cut once.
class ItemTitles {
 public:
  ItemTitles(const Dataset& dataset, const TitleCutter& cutter, ThreadPool& pool);
  const std::string& operator[](int32_t item) const { return titles_[item]; }
  // SHA-256 of all of them: two models that read equal text have equal ones.
  std::string fingerprint() const;

 private:
  std::vector<std::string> titles_;  // [N + 1]; padding has none
};

using Titles = std::span<const std::string>;

// The history alone, as the prompt shows it.
std::string render_history(const PromptConfig& config, Titles history);

// The prompt up to where the letter stands; titles are already cut, only the newest max_history of
// the history are shown. ShapeError for no candidates or more than num_candidates.
std::string render_prompt(const PromptConfig& config, Titles history, Titles candidates);

// Which tokens of a prompt hold some of its history: [begin, end) of `of_prompt` tokens, without
// BOS and before any are cut.
struct HistoryTokens {
  int64_t begin = 0, end = 0, of_prompt = 0;
};

// Prompt text to token ids, with the checks that need no fixed ids.
class PromptEncoder {
 public:
  // tokenizer must outlive the encoder. ConfigError when it has no EOS.
  PromptEncoder(const Tokenizer& tokenizer, const PromptConfig& config);

  // BOS (where the tokenizer has one) and the last max_tokens - 1 tokens of the text.
  std::vector<int32_t> encode(std::string_view prompt) const;

  struct TrainingText {
    std::vector<int32_t> ids;     // of prompt and letter, cut as above, and EOS behind
    int64_t letter = 0, eos = 0;  // the supervised positions, the last two
  };
  // DataError when prompt and letter do not give the prompt's ids and one more.
  TrainingText encode_training(std::string_view prompt, std::string_view letter) const;

  // history: as render_history wrote it into the prompt of this configuration.
  HistoryTokens history_tokens(const std::string& prompt, const std::string& history,
                               const PromptConfig& config) const;

  // The one token that the letter adds to the prompt. DataError when it adds anything else.
  int32_t letter_token(std::string_view prompt, std::string_view letter) const;

  const Tokenizer& tokenizer() const { return tokenizer_; }
  int32_t eos() const { return eos_; }

 private:
  std::vector<int32_t> cut(std::vector<int32_t> ids) const;
  // Of prompt and letter, checked to be the prompt's and one more.
  std::vector<int32_t> encode_with_letter(std::string_view prompt, std::string_view letter) const;

  const Tokenizer& tokenizer_;
  int64_t max_tokens_;
  std::vector<int32_t> prefix_;  // BOS, or nothing
  int32_t eos_ = 0;
};

}  // namespace tandem
