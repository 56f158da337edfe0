// SPDX-License-Identifier: Apache-2.0
#include "rank/prompt.h"

#include <algorithm>
#include <charconv>

#include "core/check.h"
#include "core/error.h"
#include "core/sha256.h"

namespace tandem {
namespace {

constexpr int64_t kMaxLetters = 52;

void replace_once(std::string& text, std::string_view name, std::string_view value) {
  const size_t at = text.find(name);
  if (at != std::string::npos) text.replace(at, name.size(), value);
}

// Placeholders in a user's title are text: both are looked for in the pattern before anything is
// put in.
std::string fill(const std::string& pattern, std::string_view first_name, std::string_view first,
                 std::string_view second_name, std::string_view second) {
  const size_t a = pattern.find(first_name), b = pattern.find(second_name);
  std::string text = pattern;
  if (a < b) {
    replace_once(text, second_name, second);
    replace_once(text, first_name, first);
    return text;
  }
  text.replace(a, first_name.size(), first);
  text.replace(b, second_name.size(), second);
  return text;
}

size_t occurrences(std::string_view text, std::string_view name) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(name, at)) != std::string_view::npos; at += name.size())
    ++count;
  return count;
}

void check_placeholder(const char* key, std::string_view value, std::string_view name) {
  const size_t count = occurrences(value, name);
  if (count != 1)
    throw ConfigError("prompt.{}: holds {} {} times, expected once", key, name, count);
}

// The byte after n characters.
size_t after_characters(std::string_view text, int64_t n) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool starts = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (starts && n-- == 0) break;
  }
  return at;
}

std::string join(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : separator) + parts[i];
  return text;
}

// "chars:N" as N.
int64_t parse_characters(std::string_view truncation) {
  const std::string_view digits = truncation.substr(std::string_view("chars:").size());
  int64_t limit = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), limit);
  if (error != std::errc() || end != digits.data() + digits.size() || limit < 1)
    throw ConfigError("prompt.title_truncation is '{}'; expected chars:N with N >= 1", truncation);
  return limit;
}

}  // namespace

void PromptConfig::add_keys(ConfigSchema& schema) {
  schema.add("prompt.text", &text, "the prompt, with {history} and {candidates}");
  schema.add("prompt.history_item", &history_item, "one item of the history: {number}, {title}");
  schema.add("prompt.candidate_item", &candidate_item, "one candidate: {letter}, {title}");
  schema.add("prompt.separator", &separator, "between items");
  schema.add("prompt.max_history", &max_history, "newest items of the history that are shown");
  schema.add("prompt.num_candidates", &num_candidates,
             "candidates, each with a letter; at most 52");
  schema.add("prompt.max_title_tokens", &max_title_tokens, "a title keeps its first tokens");
  schema.add("prompt.max_tokens", &max_tokens, "a longer prompt loses its start");
  schema.add("prompt.title_truncation", &title_truncation,
             "who cuts titles: model, fixed:TOKENIZER (equal text for two models), chars:N");
  schema.add("prompt.verbalizer", &verbalizer,
             "letters' tokens: exact (as trained) or compat (as LlamaRec's code reads them)",
             {"exact", "compat"});
}

void PromptConfig::validate() const {
  check_placeholder("text", text, "{history}");
  check_placeholder("text", text, "{candidates}");
  check_placeholder("history_item", history_item, "{title}");
  check_placeholder("candidate_item", candidate_item, "{title}");
  check_placeholder("candidate_item", candidate_item, "{letter}");
  if (occurrences(history_item, "{number}") > 1)
    throw ConfigError("prompt.history_item: holds {{number}} more than once");
  const auto between = [](const char* key, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high)
      throw ConfigError("prompt.{} is {}; expected {} to {}", key, value, low, high);
  };
  between("max_history", max_history, 1, 100'000);
  between("num_candidates", num_candidates, 2, kMaxLetters);
  between("max_title_tokens", max_title_tokens, 1, 100'000);
  between("max_tokens", max_tokens, 8, 1 << 24);
  if (verbalizer != "exact" && verbalizer != "compat")
    throw ConfigError("prompt.verbalizer is '{}'; expected exact or compat", verbalizer);
  if (title_truncation.starts_with("chars:")) {
    parse_characters(title_truncation);
  } else if (title_truncation != "model" && !title_truncation.starts_with("fixed:")) {
    throw ConfigError("prompt.title_truncation is '{}'; expected model, fixed:TOKENIZER or chars:N",
                      title_truncation);
  }
}

Json PromptConfig::to_json() const {
  return {{"text", text},
          {"history_item", history_item},
          {"candidate_item", candidate_item},
          {"separator", separator},
          {"max_history", max_history},
          {"num_candidates", num_candidates},
          {"max_title_tokens", max_title_tokens},
          {"max_tokens", max_tokens},
          {"title_truncation", title_truncation},
          {"verbalizer", verbalizer}};
}

PromptConfig PromptConfig::from_json(const Json& json, std::string_view where) {
  PromptConfig config;
  config.text = json_get<std::string>(json, "text", where);
  config.history_item = json_get<std::string>(json, "history_item", where);
  config.candidate_item = json_get<std::string>(json, "candidate_item", where);
  config.separator = json_get<std::string>(json, "separator", where);
  config.max_history = json_get<int64_t>(json, "max_history", where);
  config.num_candidates = json_get<int64_t>(json, "num_candidates", where);
  config.max_title_tokens = json_get<int64_t>(json, "max_title_tokens", where);
  config.max_tokens = json_get<int64_t>(json, "max_tokens", where);
  config.title_truncation = json_get<std::string>(json, "title_truncation", where);
  config.verbalizer = json_get<std::string>(json, "verbalizer", where);
  config.validate();
  return config;
}

std::string letter_of(int64_t candidate) {
  if (candidate < 0 || candidate >= kMaxLetters)
    throw ShapeError("candidate {} has no letter; there are {}", candidate, kMaxLetters);
  return std::string(1, static_cast<char>(candidate < 26 ? 'A' + candidate : 'a' + candidate - 26));
}

TitleCutter::TitleCutter(const PromptConfig& config, const Tokenizer& tokenizer)
    : tokenizer_(&tokenizer), limit_(config.max_title_tokens) {
  constexpr std::string_view kFixed = "fixed:";
  if (config.title_truncation.starts_with("chars:")) {
    tokenizer_ = nullptr;
    limit_ = parse_characters(config.title_truncation);
  } else if (config.title_truncation.starts_with(kFixed)) {
    fixed_ = load_tokenizer(config.title_truncation.substr(kFixed.size()));
    tokenizer_ = fixed_.get();
  }
}

std::string TitleCutter::cut(std::string_view title) const {
  if (tokenizer_ == nullptr) return std::string(title.substr(0, after_characters(title, limit_)));
  const std::vector<int32_t> ids = tokenizer_->encode(title);
  return tokenizer_->decode(
      std::span(ids).first(std::min(ids.size(), static_cast<size_t>(limit_))));
}

ItemTitles::ItemTitles(const Dataset& dataset, const TitleCutter& cutter, ThreadPool& pool)
    : titles_(static_cast<size_t>(dataset.num_items()) + 1) {
  pool.parallel_for(dataset.num_items(), [&](int64_t i, int) {
    titles_[static_cast<size_t>(i) + 1] = cutter.cut(dataset.title(static_cast<int32_t>(i) + 1));
  });
}

std::string ItemTitles::fingerprint() const {
  std::string all;
  for (const std::string& title : titles_) all.append(title).push_back('\0');
  return sha256_hex(all);
}

std::string render_history(const PromptConfig& config, Titles history) {
  const Titles newest =
      history.last(std::min(history.size(), static_cast<size_t>(config.max_history)));
  const bool numbered = config.history_item.find("{number}") != std::string::npos;
  std::vector<std::string> parts;
  for (size_t i = 0; i < newest.size(); ++i) {
    if (numbered) {
      parts.push_back(
          fill(config.history_item, "{number}", std::to_string(i + 1), "{title}", newest[i]));
    } else {
      parts.push_back(config.history_item);
      replace_once(parts.back(), "{title}", newest[i]);
    }
  }
  return join(parts, config.separator);
}

std::string render_prompt(const PromptConfig& config, Titles history, Titles candidates) {
  if (candidates.empty() || std::ssize(candidates) > config.num_candidates)
    throw ShapeError("a prompt with {} candidates; expected 1 to {}", candidates.size(),
                     config.num_candidates);
  std::vector<std::string> parts;
  for (size_t i = 0; i < candidates.size(); ++i) {
    parts.push_back(fill(config.candidate_item, "{letter}", letter_of(static_cast<int64_t>(i)),
                         "{title}", candidates[i]));
  }
  return fill(config.text, "{history}", render_history(config, history), "{candidates}",
              join(parts, config.separator));
}

PromptEncoder::PromptEncoder(const Tokenizer& tokenizer, const PromptConfig& config)
    : tokenizer_(tokenizer), max_tokens_(config.max_tokens) {
  // What the tokenizer's template puts in front. Copies of Llama 3's tokenizer lack the template,
  // though their models expect BOS: it is added unless the files say that there is none. A BOS that
  // is EOS too (GPT-2) only divides documents.
  for (const int32_t id : tokenizer.encode("", {.add_special = true})) {
    if (tokenizer.eos_id() == id && tokenizer.bos_id() != id) break;
    prefix_.push_back(id);
  }
  if (prefix_.empty() && !tokenizer.special_ids().no_bos && tokenizer.bos_id() &&
      tokenizer.bos_id() != tokenizer.eos_id())
    prefix_.push_back(*tokenizer.bos_id());
  if (!tokenizer.eos_id())
    throw ConfigError("the tokenizer names no EOS token (eos_token in tokenizer_config.json)");
  eos_ = *tokenizer.eos_id();
}

std::vector<int32_t> PromptEncoder::cut(std::vector<int32_t> ids) const {
  const auto kept = static_cast<size_t>(max_tokens_) - prefix_.size();
  if (ids.size() > kept) ids.erase(ids.begin(), ids.end() - static_cast<int64_t>(kept));
  ids.insert(ids.begin(), prefix_.begin(), prefix_.end());
  return ids;
}

std::vector<int32_t> PromptEncoder::encode(std::string_view prompt) const {
  return cut(tokenizer_.encode(prompt));
}

PromptEncoder::TrainingText PromptEncoder::encode_training(std::string_view prompt,
                                                           std::string_view letter) const {
  TrainingText text{.ids = cut(encode_with_letter(prompt, letter))};
  text.ids.push_back(eos_);
  text.eos = std::ssize(text.ids) - 1;
  text.letter = text.eos - 1;
  return text;
}

HistoryTokens PromptEncoder::history_tokens(const std::string& prompt, const std::string& history,
                                            const PromptConfig& config) const {
  // Candidates in front of the history shift it; its own text is then found behind them.
  const size_t begin = prompt.find(history, config.text.find("{history}"));
  TANDEM_CHECK(begin != std::string::npos, "the prompt does not hold its history");
  const auto characters = [&](size_t from, size_t count) {
    return std::count_if(prompt.begin() + static_cast<int64_t>(from),
                         prompt.begin() + static_cast<int64_t>(from + count),
                         [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  };
  const int64_t first = characters(0, begin), last = first + characters(begin, history.size());
  const std::vector<TokenSpan> spans = tokenizer_.encode_with_offsets(prompt).offsets;
  HistoryTokens tokens{.of_prompt = std::ssize(spans)};
  for (const TokenSpan& span : spans) {
    tokens.begin += span.end <= first;
    tokens.end += span.begin < last;
  }
  return tokens;
}

int32_t PromptEncoder::letter_token(std::string_view prompt, std::string_view letter) const {
  return encode_with_letter(prompt, letter).back();
}

std::vector<int32_t> PromptEncoder::encode_with_letter(std::string_view prompt,
                                                       std::string_view letter) const {
  const std::vector<int32_t> without = tokenizer_.encode(prompt);
  std::vector<int32_t> with = tokenizer_.encode(std::string(prompt) + std::string(letter));
  if (with.size() != without.size() + 1 ||
      !std::equal(without.begin(), without.end(), with.begin())) {
    throw DataError(
        "the tokenizer does not give the letter '{}' behind the prompt a token of its own: {} "
        "tokens without, {} with it; end prompt.text differently or offer fewer candidates",
        letter, without.size(), with.size());
  }
  return with;
}

}  // namespace tandem
