// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/json.h"
#include "tokenizer/loaders.h"
#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

constexpr std::string_view kMark = "\xE2\x96\x81";
constexpr int64_t kMinPairCount = 2;
constexpr const char* kConfigFile = "tokenizer_config.json";

// The vocabulary as it grows. Pieces are spelt as in the file.
struct Pieces {
  std::vector<std::string> spelling;
  std::vector<std::pair<int32_t, int32_t>> merges;

  int32_t add(std::string piece) {
    spelling.push_back(std::move(piece));
    return static_cast<int32_t>(spelling.size()) - 1;
  }
};

struct Word {
  std::vector<int32_t> ids;  // -1 where a character is no piece: nothing merges across
  int64_t count;
};

uint64_t pair_key(int32_t a, int32_t b) {
  return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
}

// Merges pairs until there are `limit` pieces. Counts are kept up to date by visiting only the
// words that hold the merged pair; the queue may hold outdated counts, which are put right when
// they come up.
void merge_pairs(std::vector<Word>& words, size_t limit, Pieces& pieces) {
  std::unordered_map<uint64_t, int64_t> counts;
  std::unordered_map<uint64_t, std::unordered_set<size_t>> places;
  for (size_t w = 0; w < words.size(); ++w) {
    for (size_t i = 0; i + 1 < words[w].ids.size(); ++i) {
      if (words[w].ids[i] < 0 || words[w].ids[i + 1] < 0) continue;
      const uint64_t key = pair_key(words[w].ids[i], words[w].ids[i + 1]);
      counts[key] += words[w].count;
      places[key].insert(w);
    }
  }
  struct Candidate {
    int64_t count;
    uint64_t key;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : key > other.key;
    }
  };
  std::priority_queue<Candidate> queue;
  for (const auto& [key, count] : counts) queue.push({count, key});
  std::unordered_set<std::string> known(pieces.spelling.begin(), pieces.spelling.end());

  while (pieces.spelling.size() < limit && !queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const int64_t count = counts[best.key];
    if (count != best.count) {
      if (count >= kMinPairCount) queue.push({count, best.key});
      continue;
    }
    if (count < kMinPairCount) break;
    const auto left = static_cast<int32_t>(best.key >> 32),
               right = static_cast<int32_t>(best.key & 0xFFFFFFFF);
    std::string joined =
        pieces.spelling[static_cast<size_t>(left)] + pieces.spelling[static_cast<size_t>(right)];
    // A piece that exists already (by another pair, or a special token's name) is not made twice.
    if (!known.insert(joined).second) continue;
    const int32_t id = pieces.add(std::move(joined));
    pieces.merges.emplace_back(left, right);
    std::set<uint64_t> changed;
    const auto affected = std::move(places[best.key]);
    places.erase(best.key);
    for (const size_t w : affected) {
      Word& word = words[w];
      const auto each_pair = [&](int64_t sign) {
        for (size_t i = 0; i + 1 < word.ids.size(); ++i) {
          if (word.ids[i] < 0 || word.ids[i + 1] < 0) continue;
          const uint64_t key = pair_key(word.ids[i], word.ids[i + 1]);
          counts[key] += sign * word.count;
          if (sign > 0) places[key].insert(w);
          changed.insert(key);
        }
      };
      each_pair(-1);
      size_t out = 0;
      for (size_t i = 0; i < word.ids.size(); ++out) {
        const bool here =
            i + 1 < word.ids.size() && word.ids[i] == left && word.ids[i + 1] == right;
        word.ids[out] = here ? id : word.ids[i];
        i += here ? 2 : 1;
      }
      word.ids.resize(out);
      each_pair(1);
    }
    for (const uint64_t key : changed) {
      if (counts[key] >= kMinPairCount) queue.push({counts[key], key});
    }
  }
}

// A title takes the blanks before it along: between titles they would be half of all tokens.
Json added_token(int32_t id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", !special}, {"lstrip", !special},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

// BOS before the text, in the form of tokenizer.json.
Json bos_template(const std::string& bos, int32_t id) {
  const auto special = [&](int type) {
    return Json{{"SpecialToken", {{"id", bos}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  Json single = Json::array({special(0), sequence("A", 0)});
  Json pair = Json::array({special(0), sequence("A", 0), special(1), sequence("B", 1)});
  Json tokens = Json::object();
  tokens[bos] = {{"id", bos}, {"ids", Json::array({id})}, {"tokens", Json::array({bos})}};
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", tokens}};
}

Json byte_level_step(bool add_prefix_space, bool trim_offsets, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets},
          {"use_regex", use_regex}};
}

std::vector<const char*> special_names(TokenizerStyle style) {
  if (style == TokenizerStyle::kByteFallback) return {"<unk>", "<s>", "</s>"};
  return {"<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"};
}

}  // namespace

void BpeTrainer::add_text(std::string_view text) {
  const std::string valid = repair_utf8(text);
  if (style_ == TokenizerStyle::kByteLevel) {
    static const Regex pattern(kLlama3SplitPattern, "the Llama 3 split pattern");
    pattern.for_each_match(
        valid, [&](size_t begin, size_t end) { ++words_[valid.substr(begin, end - begin)]; });
    return;
  }
  // Words begin at a run of marks; digits stand alone.
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) ++words_[word];
    word.clear();
  };
  if (!valid.empty()) word = kMark;
  for (size_t at = 0; at < valid.size();) {
    const char32_t c = next_char(valid, at);
    if (c == U' ') {
      if (!word.ends_with(kMark)) flush();
      word += kMark;
    } else if (is_numeric(c)) {
      flush();
      append_char(word, c);
      flush();
    } else {
      append_char(word, c);
    }
  }
  flush();
}

std::string BpeTrainer::train(int32_t vocab_size, const std::vector<std::string>& titles) const {
  const bool byte_level = style_ == TokenizerStyle::kByteLevel;
  const auto specials = special_names(style_);
  const auto num_specials = static_cast<int32_t>(specials.size());
  const int32_t least = 256 + num_specials + (byte_level ? 0 : 1);
  if (vocab_size < least)
    throw ConfigError("vocab-size is {}, expected at least {}", vocab_size, least);

  Pieces pieces;
  std::unordered_map<std::string, int32_t> char_ids;
  if (byte_level) {
    std::u32string alphabet = byte_alphabet();
    std::sort(alphabet.begin(), alphabet.end());
    std::string bytes;
    for (const char32_t c : alphabet) {
      std::string spelling;
      append_char(spelling, c);
      from_byte_alphabet(spelling, bytes);
      char_ids[bytes] = pieces.add(spelling);
    }
  } else {
    for (const char* name : specials) pieces.add(name);
    for (unsigned b = 0; b < 256; ++b) pieces.add(fmt::format("<0x{:02X}>", b));
    std::map<std::string, int64_t> chars;
    chars[std::string(kMark)] = INT64_MAX / 2;
    for (const auto& [word, count] : words_) {
      for (size_t at = 0; at < word.size();) {
        const size_t begin = at;
        next_char(word, at);
        chars[word.substr(begin, at - begin)] +=
            word.compare(begin, at - begin, kMark) == 0 ? 0 : count;
      }
    }
    std::vector<std::pair<int64_t, std::string>> by_count;
    for (const auto& [c, count] : chars) by_count.emplace_back(-count, c);
    std::sort(by_count.begin(), by_count.end());
    // Rare characters are left to the bytes, and merges keep three quarters of the room.
    const size_t room = std::max<size_t>(1, static_cast<size_t>(vocab_size - least) / 4);
    for (size_t i = 0; i < by_count.size() && i < room && -by_count[i].first >= kMinPairCount;
         ++i) {
      char_ids[by_count[i].second] = pieces.add(by_count[i].second);
    }
  }

  std::vector<Word> words;
  for (const auto& [text, count] : words_) {
    Word word{{}, count};
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      if (byte_level) {
        ++at;
      } else {
        next_char(text, at);
      }
      const auto found = char_ids.find(text.substr(begin, at - begin));
      word.ids.push_back(found == char_ids.end() ? -1 : found->second);
    }
    if (word.ids.size() > 1) words.push_back(std::move(word));
  }
  merge_pairs(words, static_cast<size_t>(vocab_size - (byte_level ? num_specials : 0)), pieces);

  Json added = Json::array(), merges = Json::array();
  // The vocabulary by hand: inserting into an ordered JSON object is linear.
  std::string vocab = "{";
  std::unordered_map<std::string, int32_t> ids;
  for (const std::string& piece : pieces.spelling) {
    const auto id = static_cast<int32_t>(ids.size());
    vocab += fmt::format("{}{}:{}", id > 0 ? "," : "", Json(piece).dump(), id);
    ids.emplace(piece, id);
  }
  vocab += "}";
  for (const auto& [left, right] : pieces.merges) {
    merges.push_back(
        {pieces.spelling[static_cast<size_t>(left)], pieces.spelling[static_cast<size_t>(right)]});
  }
  auto next_id = static_cast<int32_t>(ids.size());
  const auto id_of = [&](const std::string& text) {
    const auto [found, fresh] = ids.emplace(text, next_id);
    if (fresh) ++next_id;
    return found->second;
  };
  std::unordered_set<std::string> seen;
  for (const char* name : specials) {
    added.push_back(added_token(id_of(name), name, true));
    seen.insert(name);
  }
  for (const std::string& title : titles) {
    const std::string text = repair_utf8(title);
    if (!text.empty() && seen.insert(text).second)
      added.push_back(added_token(id_of(text), text, false));
  }

  const char* const bos = specials[byte_level ? 0 : 1];
  const Json bos_step = bos_template(bos, ids.at(bos));
  Json normalizer, pre_tokenizer, post_processor = bos_step, decoder;
  if (byte_level) {
    pre_tokenizer = {{"type", "Sequence"},
                     {"pretokenizers", Json::array({{{"type", "Split"},
                                                     {"pattern", {{"Regex", kLlama3SplitPattern}}},
                                                     {"behavior", "Isolated"},
                                                     {"invert", false}},
                                                    byte_level_step(false, true, false)})}};
    post_processor = {{"type", "Sequence"},
                      {"processors", Json::array({byte_level_step(true, false, true), bos_step})}};
    decoder = byte_level_step(true, true, true);
  } else {
    normalizer = {
        {"type", "Sequence"},
        {"normalizers",
         Json::array({{{"type", "Prepend"}, {"prepend", kMark}},
                      {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kMark}}})}};
    decoder = {
        {"type", "Sequence"},
        {"decoders",
         Json::array({{{"type", "Replace"}, {"pattern", {{"String", kMark}}}, {"content", " "}},
                      Json{{"type", "ByteFallback"}},
                      Json{{"type", "Fuse"}},
                      {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}};
  }
  const Json unk = byte_level ? Json() : Json("<unk>");
  return fmt::format(
      "{{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n\"added_tokens\":{},"
      "\n\"normalizer\":{},\n"
      "\"pre_tokenizer\":{},\n\"post_processor\":{},\n\"decoder\":{},\n\"model\":{{\"type\":"
      "\"BPE\",\"dropout\":null,"
      "\"unk_token\":{},\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_"
      "unk\":{},"
      "\"byte_fallback\":{},\"ignore_merges\":{},\n\"vocab\":{},\n\"merges\":{}}}}}\n",
      added.dump(), normalizer.dump(), pre_tokenizer.dump(), post_processor.dump(), decoder.dump(),
      unk.dump(), !byte_level, !byte_level, byte_level, vocab, merges.dump());
}

namespace {

Json tokenizer_config(TokenizerStyle style) {
  const auto names = special_names(style);
  const bool byte_level = style == TokenizerStyle::kByteLevel;
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"bos_token", names[byte_level ? 0 : 1]},
                 {"eos_token", names[byte_level ? 1 : 2]}};
  config[byte_level ? "pad_token" : "unk_token"] = names[byte_level ? 2 : 0];
  // Undoing English spacing would alter titles.
  config["clean_up_tokenization_spaces"] = false;
  return config;
}

}  // namespace

const OutputKind kTokenizerFolder = {
    .name = "a tokenizer",
    .recognises =
        [](const fs::path& folder) {
          try {
            const Json config = read_json(folder / kConfigFile);
            return config == tokenizer_config(TokenizerStyle::kByteLevel) ||
                   config == tokenizer_config(TokenizerStyle::kByteFallback);
          } catch (const Error&) {
            return false;
          }
        },
    .files = {"tokenizer.json", kConfigFile}};

void write_tokenizer_files(const fs::path& folder, const std::string& tokenizer_json,
                           TokenizerStyle style) {
  write_file(folder / "tokenizer.json", tokenizer_json);
  write_json(folder / kConfigFile, tokenizer_config(style));
}

}  // namespace tandem
