// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "tokenizer/unicode.h"

namespace tandem {

UnigramModel::UnigramModel(Vocabulary vocabulary, std::vector<double> scores,
                           std::optional<int32_t> unk_id, bool byte_fallback)
    : vocabulary_(std::move(vocabulary)),
      scores_(std::move(scores)),
      unk_id_(unk_id),
      byte_fallback_(byte_fallback) {
  double lowest = std::numeric_limits<double>::infinity();
  for (const double score : scores_) lowest = std::min(lowest, score);
  unknown_score_ = lowest - 10.0;
  for (unsigned b = 0; b < 256; ++b)
    byte_ids_[b] = vocabulary_.find(fmt::format("<0x{:02X}>", b)).value_or(-1);

  // The trie, breadth first over the sorted pieces: a node covers the range of pieces that share
  // its prefix.
  std::vector<int32_t> sorted;
  for (int32_t id = 0; id < vocabulary_.size(); ++id) {
    // A piece that stands twice counts where the lookup finds it.
    if (!vocabulary_.piece(id).empty() && vocabulary_.find(vocabulary_.piece(id)) == id)
      sorted.push_back(id);
  }
  std::sort(sorted.begin(), sorted.end(),
            [&](int32_t a, int32_t b) { return vocabulary_.piece(a) < vocabulary_.piece(b); });
  struct Range {
    size_t begin, end, depth;
  };
  std::vector<Range> ranges{{0, sorted.size(), 0}};
  nodes_.emplace_back();
  for (size_t node = 0; node < nodes_.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    if (begin < end && vocabulary_.piece(sorted[begin]).size() == depth)
      nodes_[node].id = sorted[begin++];
    nodes_[node].first_child = static_cast<int32_t>(nodes_.size());
    while (begin < end) {
      const char byte = vocabulary_.piece(sorted[begin])[depth];
      size_t stop = begin;
      while (stop < end && vocabulary_.piece(sorted[stop])[depth] == byte) ++stop;
      Node child;
      child.byte = static_cast<unsigned char>(byte);
      nodes_.push_back(child);
      ranges.push_back({begin, stop, depth + 1});
      ++nodes_[node].num_children;
      begin = stop;
    }
  }
}

int32_t UnigramModel::child(int32_t node, unsigned char byte) const {
  const Node& parent = nodes_[node];
  const auto first = nodes_.begin() + parent.first_child;
  const auto last = first + parent.num_children;
  const auto found = std::lower_bound(first, last, byte,
                                      [](const Node& n, unsigned char b) { return n.byte < b; });
  return found != last && found->byte == byte ? static_cast<int32_t>(found - nodes_.begin()) : -1;
}

void UnigramModel::encode_word(std::string_view word, WordCache& scratch,
                               std::vector<WordPiece>& out) const {
  if (word.empty()) return;
  const bool cached = word.size() <= WordCache::kMaxWordBytes;
  const uint64_t hash = cached ? hash_bytes(word) : 0;
  if (cached && scratch.find(word, hash, out)) return;
  const size_t first = out.size();

  constexpr uint32_t kNowhere = UINT32_MAX;
  struct Best {
    double score = 0;
    uint32_t begin = kNowhere;
    int32_t id = -1;
  };
  std::vector<Best> best(word.size() + 1);
  const auto offer = [&](size_t end, double score, size_t begin, int32_t id) {
    Best& there = best[end];
    if (there.begin == kNowhere || score > there.score)
      there = {score, static_cast<uint32_t>(begin), id};
  };
  for (size_t at = 0; at < word.size();) {
    const double so_far = best[at].score;
    const size_t length =
        std::min(char_length(static_cast<unsigned char>(word[at])), word.size() - at);
    bool has_single = false;
    int32_t node = 0;
    for (size_t end = at; end < word.size();) {
      node = child(node, static_cast<unsigned char>(word[end++]));
      if (node < 0) break;
      const int32_t id = nodes_[node].id;
      if (id < 0) continue;
      offer(end, scores_[id] + so_far, at, id);
      has_single |= end - at == length;
    }
    if (!has_single) offer(at + length, unknown_score_ + so_far, at, unk_id_.value_or(-1));
    at += length;
  }

  // Backwards; unknown neighbours join.
  struct Part {
    uint32_t begin, end;
    int32_t id;
  };
  std::vector<Part> parts;
  for (auto end = static_cast<uint32_t>(word.size()); end > 0;) {
    const Best& node = best[end];
    if (unk_id_ && node.id == *unk_id_ && !parts.empty() && parts.back().id == *unk_id_) {
      parts.back().begin = node.begin;
    } else {
      parts.push_back({node.begin, end, node.id});
    }
    end = node.begin;
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const std::string_view text = word.substr(part->begin, part->end - part->begin);
    // Joined unknown characters may together be a piece.
    if (const auto id = vocabulary_.find(text)) {
      out.push_back({*id, part->begin, part->end});
    } else if (byte_fallback_ && std::all_of(text.begin(), text.end(), [&](char b) {
                 return byte_ids_[static_cast<unsigned char>(b)] >= 0;
               })) {
      for (const char b : text)
        out.push_back({byte_ids_[static_cast<unsigned char>(b)], part->begin, part->end});
    } else if (unk_id_) {
      out.push_back({*unk_id_, part->begin, part->end});
    }
  }
  if (cached) scratch.store(word, hash, out.data() + first, out.size() - first);
}

}  // namespace tandem
