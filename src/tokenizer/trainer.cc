// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "tokenizer/loaders.h"
#include "tokenizer/regex.h"
#include "tokenizer/trained_files.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

constexpr std::string_view kMark = kSpaceMark;
constexpr int64_t kMinPairCount = 2;

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
    std::string joined = pieces.spelling[left] + pieces.spelling[right];
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

namespace {

using CharIds = std::unordered_map<std::string, int32_t>;

// All 256 bytes, in the order of their printable stand-ins.
CharIds add_bytes(Pieces& pieces) {
  CharIds ids;
  std::u32string alphabet = byte_alphabet();
  std::sort(alphabet.begin(), alphabet.end());
  std::string bytes;
  for (const char32_t c : alphabet) {
    std::string spelling;
    append_char(spelling, c);
    from_byte_alphabet(spelling, bytes);
    ids[bytes] = pieces.add(spelling);
  }
  return ids;
}

// The most frequent characters, the mark first. Rare ones are left to the bytes.
CharIds add_characters(const std::map<std::string, int64_t>& words, size_t room, Pieces& pieces) {
  std::map<std::string, int64_t> chars;
  chars[std::string(kMark)] = INT64_MAX / 2;
  for (const auto& [word, count] : words) {
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
  CharIds ids;
  for (size_t i = 0; i < by_count.size() && i < room && -by_count[i].first >= kMinPairCount; ++i)
    ids[by_count[i].second] = pieces.add(by_count[i].second);
  return ids;
}

// Words of more than one character, as pieces; -1 for a character that has none.
std::vector<Word> spell(const std::map<std::string, int64_t>& words, const CharIds& char_ids,
                        bool byte_level) {
  std::vector<Word> spelled;
  for (const auto& [text, count] : words) {
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
    if (word.ids.size() > 1) spelled.push_back(std::move(word));
  }
  return spelled;
}

}  // namespace

std::string BpeTrainer::train(int32_t vocab_size, const std::vector<std::string>& titles) const {
  const bool byte_level = style_ == TokenizerStyle::kByteLevel;
  const auto specials = trained_specials(style_);
  const auto num_specials = static_cast<int32_t>(specials.size());
  const int32_t least = 256 + num_specials + (byte_level ? 0 : 1);
  if (vocab_size < least)
    throw ConfigError("vocab-size is {}, expected at least {}", vocab_size, least);

  Pieces pieces;
  CharIds char_ids;
  if (byte_level) {
    char_ids = add_bytes(pieces);
  } else {
    for (const char* name : specials) pieces.add(name);
    for (unsigned b = 0; b < 256; ++b) pieces.add(fmt::format("<0x{:02X}>", b));
    // Merges keep three quarters of the room.
    char_ids = add_characters(words_, std::max<size_t>(1, (vocab_size - least) / 4), pieces);
  }
  std::vector<Word> words = spell(words_, char_ids, byte_level);
  merge_pairs(words, vocab_size - (byte_level ? num_specials : 0), pieces);

  return tokenizer_json(pieces, titles, style_);
}

}  // namespace tandem
