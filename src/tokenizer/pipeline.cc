// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/pipeline.h"

#include <algorithm>

#include "core/error.h"

namespace tandem {

// A word cache for the time of one call; as many exist as calls ever ran at once.
class PipelineTokenizer::CacheLease {
 public:
  explicit CacheLease(const PipelineTokenizer& owner) : owner_(owner) {
    const std::lock_guard lock(owner.mutex_);
    if (owner.caches_.empty()) {
      cache_ = std::make_unique<WordCache>();
    } else {
      cache_ = std::move(owner.caches_.back());
      owner.caches_.pop_back();
    }
  }
  ~CacheLease() {
    const std::lock_guard lock(owner_.mutex_);
    owner_.caches_.push_back(std::move(cache_));
  }
  CacheLease(const CacheLease&) = delete;
  CacheLease& operator=(const CacheLease&) = delete;
  WordCache& operator*() const { return *cache_; }

 private:
  const PipelineTokenizer& owner_;
  std::unique_ptr<WordCache> cache_;
};

struct PipelineTokenizer::Sink {
  Encoding& result;
  WordCache& cache;
  bool want_offsets;
  std::vector<WordPiece> pieces{};
};

PipelineTokenizer::PipelineTokenizer(PipelineParts parts, std::string_view where)
    : parts_(std::move(parts)) {
  index_added_tokens();
  for (const auto* ids : {&parts_.post_processor.prefix, &parts_.post_processor.suffix}) {
    for (const int32_t id : *ids) {
      if (id < 0 || id >= vocab_size_) {
        throw FormatError("{}: the template's id {} is outside the vocabulary of {}", where, id,
                          vocab_size_);
      }
    }
  }
}

void PipelineTokenizer::index_added_tokens() {
  vocab_size_ = parts_.model->vocabulary().size();
  raw_matcher_ = normalized_matcher_ = {};
  added_.clear();
  added_ids_.clear();
  for (const AddedToken& token : parts_.added_tokens) {
    vocab_size_ = std::max(vocab_size_, token.id + 1);
    std::string pattern = token.content;
    if (token.normalized) {
      AlignedText text(token.content, 0, false);
      for (const auto& step : parts_.normalizers) step->apply(text);
      pattern = text.text();
    }
    (token.normalized ? normalized_matcher_ : raw_matcher_).add(pattern, token);
    // The tokenizers library knows a special token by its normalised text, so it never skips one
    // whose text changes.
    added_[token.id] = {token.content, pattern, token.special,
                        token.special && pattern == token.content};
    added_ids_.insert_or_assign(token.content, token.id);
  }
}

void PipelineTokenizer::add_tokens(std::span<const AddedToken> tokens) {
  std::unordered_map<std::string, size_t> places;
  for (size_t i = 0; i < parts_.added_tokens.size(); ++i)
    places.emplace(parts_.added_tokens[i].content, i);
  int32_t next = vocab_size_;
  for (AddedToken token : tokens) {
    const auto [place, is_new] = places.try_emplace(token.content, parts_.added_tokens.size());
    if (is_new) {
      const auto known = parts_.model->vocabulary().find(token.content);
      token.id = known ? *known : next++;
      parts_.added_tokens.push_back(std::move(token));
    } else {
      AddedToken& old = parts_.added_tokens[place->second];
      token.id = old.id;
      old = std::move(token);
    }
  }
  index_added_tokens();
}

void PipelineTokenizer::set_template(std::vector<int32_t> prefix, std::vector<int32_t> suffix) {
  parts_.post_processor = {.prefix = std::move(prefix), .suffix = std::move(suffix)};
}

const std::string& PipelineTokenizer::piece(int32_t id) const {
  static const std::string kNone;
  if (id < 0 || id >= vocab_size_)
    throw DataError("token id {} is outside the vocabulary of {}", id, vocab_size_);
  if (const auto found = added_.find(id); found != added_.end()) return found->second.content;
  return id < parts_.model->vocabulary().size() ? parts_.model->vocabulary().piece(id) : kNone;
}

std::optional<int32_t> PipelineTokenizer::find_piece(std::string_view piece) const {
  if (const auto found = added_ids_.find(std::string(piece)); found != added_ids_.end())
    return found->second;
  return parts_.model->vocabulary().find(piece);
}

bool PipelineTokenizer::is_special(int32_t id) const {
  const auto found = added_.find(id);
  return found != added_.end() && found->second.special;
}

void PipelineTokenizer::encode_utf8(std::string_view text, EncodeOptions options, bool want_offsets,
                                    Encoding& result) const {
  const CacheLease cache(*this);
  Sink sink{result, *cache, want_offsets};
  const auto add_template = [&](const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) {
      result.ids.push_back(id);
      if (!want_offsets) continue;
      result.pieces.push_back(piece(id));
      result.offsets.push_back({0, 0});
    }
  };
  if (options.add_special) add_template(parts_.post_processor.prefix);
  const auto plain = [&](size_t begin, size_t end) {
    encode_stretch(text, begin, end, options, sink);
  };
  if (raw_matcher_.empty()) {
    plain(0, text.size());
  } else {
    raw_matcher_.split(
        text, options.parse_special, plain, [&](const AddedToken& token, size_t begin, size_t end) {
          result.ids.push_back(token.id);
          if (!want_offsets) return;
          result.pieces.emplace_back(text.substr(begin, end - begin));
          result.offsets.push_back({static_cast<int64_t>(begin), static_cast<int64_t>(end)});
        });
  }
  if (options.add_special) add_template(parts_.post_processor.suffix);
}

void PipelineTokenizer::encode_stretch(std::string_view text, size_t begin, size_t end,
                                       EncodeOptions options, Sink& sink) const {
  AlignedText stretch(text.substr(begin, end - begin), begin, sink.want_offsets);
  for (const auto& step : parts_.normalizers) step->apply(stretch);
  const TokenModel& model = *parts_.model;

  const auto word = [&](const AlignedText& words, size_t word_begin, size_t word_end) {
    sink.pieces.clear();
    const std::string_view whole =
        std::string_view(words.text()).substr(word_begin, word_end - word_begin);
    model.encode_word(whole, sink.cache, sink.pieces);
    for (const WordPiece& p : sink.pieces) {
      sink.result.ids.push_back(p.id);
      if (!sink.want_offsets) continue;
      const bool unknown = model.shows_unknown_text() && p.id == model.unk_id();
      sink.result.pieces.push_back(unknown ? std::string(whole.substr(p.begin, p.end - p.begin))
                                           : model.vocabulary().piece(p.id));
      const ByteSpan span = words.source(word_begin + p.begin, word_begin + p.end);
      sink.result.offsets.push_back({span.begin, span.end});
    }
  };
  const PreTokenizer::Word word_function = word;

  if (normalized_matcher_.empty()) {
    parts_.pre_tokenizer.split(std::move(stretch), word_function);
    return;
  }
  normalized_matcher_.split(
      stretch.text(), options.parse_special,
      [&](size_t b, size_t e) { parts_.pre_tokenizer.split(stretch.slice(b, e), word_function); },
      [&](const AddedToken& token, size_t b, size_t e) {
        sink.result.ids.push_back(token.id);
        if (!sink.want_offsets) return;
        sink.result.pieces.push_back(stretch.text().substr(b, e - b));
        const ByteSpan span = stretch.source(b, e);
        sink.result.offsets.push_back({span.begin, span.end});
      });
}

std::vector<int64_t> PipelineTokenizer::split_ends(std::string_view text) const {
  AlignedText stretch(text, 0, false);
  for (const auto& step : parts_.normalizers) step->apply(stretch);
  std::vector<int64_t> ends;
  int64_t chars = 0;
  parts_.pre_tokenizer.split(
      std::move(stretch), [&](const AlignedText& words, size_t begin, size_t end) {
        chars += static_cast<int64_t>(
            to_chars(std::string_view(words.text()).substr(begin, end - begin)).size());
        ends.push_back(chars);
      });
  return ends;
}

std::string PipelineTokenizer::decode_ids(std::span<const int32_t> ids, bool skip_special) const {
  std::vector<std::string> pieces;
  for (const int32_t id : ids) {
    const std::string& text = piece(id);
    if (text.empty()) continue;
    const auto added = added_.find(id);
    if (added == added_.end()) {
      pieces.push_back(text);
    } else if (!skip_special || !added->second.skipped) {
      pieces.push_back(added->second.decoded);
    }
  }
  const auto total_bytes = [&] {
    size_t bytes = 0;
    for (const std::string& piece : pieces) bytes += piece.size();
    return bytes;
  };
  const size_t max_bytes = 64 * total_bytes() + (1 << 20);
  for (const auto& step : parts_.decoders) {
    step->apply(pieces);
    if (total_bytes() > max_bytes)
      throw DataError("the tokenizer's decoder swells {} tokens", ids.size());
  }
  std::string text;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (parts_.join_with_spaces && i > 0) text += ' ';
    text += pieces[i];
  }
  return text;
}

}  // namespace tandem
