// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>

#include "core/error.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

constexpr uint64_t kNoKey = ~uint64_t{0};
constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581, SentencePiece's space

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t mix(uint64_t key) {
  key *= 0x9E3779B97F4A7C15ull;
  return static_cast<size_t>(key ^ key >> 32);
}

// Lowest rank first, then leftmost; the standard heap has its largest element on top.
struct LaterMerge {
  bool operator()(const PendingMerge& a, const PendingMerge& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  }
};

}  // namespace

BpeModel::BpeModel(Vocabulary vocabulary, std::span<const Merge> merges, BpeOptions options,
                   std::string_view where)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  if (options_.unk_piece) {
    unk_id_ = vocabulary_.find(*options_.unk_piece);
    if (!unk_id_)
      throw FormatError("{}: unk_token '{}' is not in the vocabulary", where, *options_.unk_piece);
  }
  byte_ids_.fill(-1);
  ascii_ids_.fill(-1);
  std::string text;
  if (options_.byte_level) {
    for (unsigned b = 0; b < 256; ++b) {
      const char byte = static_cast<char>(b);
      byte_ids_[b] = vocabulary_.find(to_byte_alphabet({&byte, 1})).value_or(-1);
    }
    if (options_.ignore_merges) {
      for (int32_t id = 0; id < vocabulary_.size(); ++id) {
        if (from_byte_alphabet(vocabulary_.piece(id), text) && !text.empty())
          whole_words_[text] = id;
      }
    }
  } else {
    for (unsigned b = 0; b < 256; ++b)
      byte_ids_[b] = vocabulary_.find(fmt::format("<0x{:02X}>", b)).value_or(-1);
    all_bytes_ =
        std::all_of(byte_ids_.begin(), byte_ids_.end(), [](int32_t id) { return id >= 0; });
    for (unsigned c = 0; c < 128; ++c) {
      ascii_ids_[c] = vocabulary_.find(std::string(1, static_cast<char>(c))).value_or(-1);
    }
  }

  mask_ = std::bit_ceil(std::max<size_t>(16, merges.size() * 2)) - 1;
  keys_.assign(mask_ + 1, kNoKey);
  joined_.resize(mask_ + 1);
  for (const Merge& merge : merges) {
    const uint64_t key = pair_key(merge.left, merge.right);
    size_t slot = mix(key) & mask_;
    while (keys_[slot] != kNoKey && keys_[slot] != key) slot = (slot + 1) & mask_;
    keys_[slot] = key;
    joined_[slot] = {merge.rank, merge.joined};
  }

  cut_before_mark_ = !options_.byte_level && !options_.ignore_merges &&
                     options_.continuing_prefix.empty() && options_.end_suffix.empty() &&
                     vocabulary_.find(kMark).has_value();
  for (const Merge& merge : merges) {
    if (vocabulary_.piece(merge.right).starts_with(kMark) &&
        !vocabulary_.piece(merge.left).ends_with(kMark)) {
      cut_before_mark_ = false;
    }
  }
}

std::vector<BpeModel::Merge> BpeModel::merges_from_ranks(
    const Vocabulary& vocabulary, const std::function<std::string_view(int32_t)>& key,
    const std::function<int32_t(int32_t)>& rank) {
  // Splits are quadratic in a piece's length when each half is hashed anew; real pieces are below
  // this.
  constexpr size_t kMaxPieceBytes = 1024;
  std::unordered_map<std::string_view, int32_t> ids;
  ids.reserve(vocabulary.size());
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (rank(id) >= 0 && !key(id).empty()) ids.emplace(key(id), id);
  }
  std::vector<Merge> merges;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view text = key(id);
    if (rank(id) < 0 || text.size() < 2 || text.size() > kMaxPieceBytes) continue;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const auto left = ids.find(text.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(text.substr(cut));
      if (right != ids.end()) merges.push_back({left->second, right->second, rank(id), id});
    }
  }
  return merges;
}

const BpeModel::Joined* BpeModel::find_merge(int32_t left, int32_t right) const {
  const uint64_t key = pair_key(left, right);
  for (size_t slot = mix(key) & mask_;; slot = (slot + 1) & mask_) {
    if (keys_[slot] == key) return &joined_[slot];
    if (keys_[slot] == kNoKey) return nullptr;
  }
}

void BpeModel::encode_word(std::string_view word, WordCache& scratch,
                           std::vector<WordPiece>& out) const {
  if (!cut_before_mark_) {
    encode_part(word, scratch, out, 0);
    return;
  }
  // The same pieces as without cuts, since no merge crosses one; but the parts are words, and the
  // cache knows words.
  size_t begin = 0;
  for (size_t at = 0; (at = word.find(kMark, at)) != std::string_view::npos; at += kMark.size()) {
    if (at == begin || word.substr(0, at).ends_with(kMark)) continue;
    encode_part(word.substr(begin, at - begin), scratch, out, static_cast<uint32_t>(begin));
    begin = at;
  }
  if (begin < word.size())
    encode_part(word.substr(begin), scratch, out, static_cast<uint32_t>(begin));
}

void BpeModel::encode_part(std::string_view word, WordCache& scratch, std::vector<WordPiece>& out,
                           uint32_t shift) const {
  if (word.empty()) return;
  const size_t first = out.size();
  const bool cached = word.size() <= WordCache::kMaxWordBytes;
  const uint64_t hash = cached ? hash_bytes(word) : 0;
  if (!cached || !scratch.find(word, hash, out)) {
    std::optional<int32_t> whole;
    if (options_.ignore_merges) {
      if (options_.byte_level) {
        const auto found = whole_words_.find(std::string(word));
        if (found != whole_words_.end()) whole = found->second;
      } else {
        whole = vocabulary_.find(word);
      }
    }
    if (whole) {
      out.push_back({*whole, 0, static_cast<uint32_t>(word.size())});
    } else {
      start_symbols(word, scratch.symbols);
      merge_all(scratch);
      // Offsets add up the symbols' lengths: a character that the vocabulary leaves out takes no
      // room.
      uint32_t at = 0;
      for (const auto& symbol : scratch.symbols) {
        const uint32_t length = symbol.end - symbol.begin;
        if (length == 0) continue;
        out.push_back({symbol.id, at, at + length});
        at += length;
      }
    }
    if (cached) scratch.store(word, hash, out.data() + first, out.size() - first);
  }
  if (shift > 0) {
    for (size_t i = first; i < out.size(); ++i) {
      out[i].begin += shift;
      out[i].end += shift;
    }
  }
}

void BpeModel::start_symbols(std::string_view word, std::vector<WordCache::Symbol>& symbols) const {
  symbols.clear();
  uint32_t place = 0;
  const auto add = [&](int32_t id, size_t length) {
    const auto index = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, place, place + static_cast<uint32_t>(length), index - 1, index + 1});
    place += static_cast<uint32_t>(length);
  };
  size_t unknown = 0;  // bytes of an unknown token not yet added
  const auto flush_unknown = [&] {
    if (unknown > 0) add(*unk_id_, unknown);
    unknown = 0;
  };
  std::string spelt;
  for (size_t at = 0; at < word.size();) {
    const auto byte = static_cast<unsigned char>(word[at]);
    const size_t length = options_.byte_level ? 1 : std::min(char_length(byte), word.size() - at);
    int32_t id = -1;
    if (options_.byte_level) {
      id = byte_ids_[byte];
    } else if (options_.continuing_prefix.empty() && options_.end_suffix.empty()) {
      id = byte < 128 ? ascii_ids_[byte] : vocabulary_.find(word.substr(at, length)).value_or(-1);
    } else {
      spelt = at > 0 ? options_.continuing_prefix : "";
      spelt += word.substr(at, length);
      if (at + length == word.size()) spelt += options_.end_suffix;
      id = vocabulary_.find(spelt).value_or(-1);
    }
    if (id >= 0) {
      flush_unknown();
      add(id, length);
    } else if (options_.byte_fallback && !options_.byte_level &&
               std::all_of(word.begin() + static_cast<ptrdiff_t>(at),
                           word.begin() + static_cast<ptrdiff_t>(at + length), [&](char b) {
                             return all_bytes_ || byte_ids_[static_cast<unsigned char>(b)] >= 0;
                           })) {
      for (size_t i = 0; i < length; ++i)
        add(byte_ids_[static_cast<unsigned char>(word[at + i])], 1);
    } else if (unk_id_) {
      if (!options_.fuse_unk) flush_unknown();
      unknown += length;
    }
    at += length;
  }
  flush_unknown();
  if (!symbols.empty()) symbols.back().next = -1;
}

void BpeModel::merge_all(WordCache& scratch) const {
  auto& symbols = scratch.symbols;
  auto& queue = scratch.queue;
  queue.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    if (const Joined* joined = find_merge(symbols[i].id, symbols[i + 1].id)) {
      queue.push_back({joined->rank, joined->id, static_cast<uint32_t>(i)});
    }
  }
  std::make_heap(queue.begin(), queue.end(), LaterMerge{});
  const auto push = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    if (const Joined* joined = find_merge(symbols[left].id, symbols[right].id)) {
      queue.push_back({joined->rank, joined->id, static_cast<uint32_t>(left)});
      std::push_heap(queue.begin(), queue.end(), LaterMerge{});
    }
  };
  while (!queue.empty()) {
    const PendingMerge top = queue.front();
    std::pop_heap(queue.begin(), queue.end(), LaterMerge{});
    queue.pop_back();
    auto& left = symbols[top.position];
    if (left.begin == left.end || left.next < 0) continue;
    auto& right = symbols[left.next];
    // The pair at this place may have changed since it was queued.
    const Joined* joined = find_merge(left.id, right.id);
    if (!joined || joined->id != top.new_id) continue;
    left.id = top.new_id;
    left.end = right.end;
    left.next = right.next;
    right.begin = right.end;
    if (left.next >= 0) symbols[left.next].previous = static_cast<int32_t>(top.position);
    push(left.previous, static_cast<int32_t>(top.position));
    push(static_cast<int32_t>(top.position), left.next);
  }
}

}  // namespace tandem
