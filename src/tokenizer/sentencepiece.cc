// SPDX-License-Identifier: Apache-2.0
#include <sentencepiece_processor.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/loaders.h"
#include "tokenizer/sentencepiece_spec.h"

namespace tandem {
namespace {

void load_model(sentencepiece::SentencePieceProcessor& processor, std::string_view model,
                std::string_view where) {
  const auto status = processor.LoadFromSerializedProto({model.data(), model.size()});
  if (!status.ok())
    throw FormatError("{}: not a SentencePiece model: {}", where, status.ToString());
  if (processor.GetPieceSize() <= 0)
    throw FormatError("{}: SentencePiece model without pieces", where);
}

// The vocabulary and merges of a BPE model as parts of a pipeline, without any step before the
// model.
PipelineParts bpe_parts(const sentencepiece::SentencePieceProcessor& processor,
                        std::string_view where) {
  PipelineParts parts;
  Vocabulary vocabulary;
  std::map<float, int32_t, std::greater<>> rank_of_score;
  const int32_t num_pieces = processor.GetPieceSize();
  const auto is_plain = [&](int32_t id) {
    return !processor.IsControl(id) && !processor.IsUnknown(id) && !processor.IsUnused(id) &&
           !processor.IsByte(id);
  };
  for (int32_t id = 0; id < num_pieces; ++id) {
    vocabulary.add(processor.IdToPiece(id), id, num_pieces, where);
    const float score = processor.GetScore(id);
    if (score != score)
      throw FormatError("{}: piece {} has a score that is not a number", where, id);
    if (is_plain(id)) rank_of_score.emplace(score, 0);
    if (!processor.IsControl(id) && !processor.IsUnknown(id)) continue;
    AddedToken token;
    token.id = id;
    token.content = vocabulary.piece(id);
    token.special = true;
    parts.added_tokens.push_back(std::move(token));
  }
  int32_t next_rank = 0;
  for (auto& [score, rank] : rank_of_score) rank = next_rank++;
  const auto merges = BpeModel::merges_from_ranks(
      vocabulary, [&](int32_t id) -> std::string_view { return vocabulary.piece(id); },
      [&](int32_t id) { return is_plain(id) ? rank_of_score.at(processor.GetScore(id)) : -1; });
  BpeOptions options;
  options.byte_fallback = true;
  options.fuse_unk = true;
  if (processor.unk_id() >= 0) options.unk_piece = vocabulary.piece(processor.unk_id());
  parts.model = std::make_unique<BpeModel>(std::move(vocabulary), merges, options, where);
  return parts;
}

// Our own encoder for the models on which it gives the library's ids: BPE without a table of
// replacements, with all bytes as pieces and neither user-defined nor unused ones (Llama 2,
// Mistral). It is ten times as fast. Else nothing.
std::unique_ptr<PipelineTokenizer> equal_pipeline(
    const sentencepiece::SentencePieceProcessor& processor, std::string_view model,
    std::string_view where) {
  const auto spec = read_sentencepiece_spec(model);
  if (!spec || !spec->is_bpe || spec->has_charsmap || spec->remove_extra_whitespaces ||
      !spec->escape_whitespaces || spec->whitespace_as_suffix || spec->has_user_defined) {
    return nullptr;
  }
  int num_bytes = 0;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    num_bytes += processor.IsByte(id);
    if (processor.IsUnused(id)) return nullptr;
    if ((processor.IsControl(id) || processor.IsUnknown(id)) &&
        to_chars(processor.IdToPiece(id)).size() < 2) {
      return nullptr;
    }
  }
  if (num_bytes != 256) return nullptr;
  PipelineParts parts = bpe_parts(processor, where);
  if (spec->add_dummy_prefix) parts.normalizers.push_back(prepend_normalizer(" "));
  parts.normalizers.push_back(replace_normalizer(" ", "\xE2\x96\x81"));
  return std::make_unique<PipelineTokenizer>(std::move(parts), where);
}

class SentencePieceTokenizer : public EditableTokenizer {
 public:
  SentencePieceTokenizer(std::string_view model, std::string_view where,
                         const SentencePieceOptions& options)
      : legacy_(options.legacy) {
    load_model(processor_, model, where);
    // Messages of the format merge when their bytes are joined: this adds normalizer_spec {
    // add_dummy_prefix: false }.
    load_model(without_prefix_, std::string(model) + std::string("\x1A\x02\x18\x00", 4), where);
    fast_ = equal_pipeline(processor_, model, where);
    SpecialIds ids;
    const auto id_of = [](int id) { return id >= 0 ? std::optional<int32_t>(id) : std::nullopt; };
    ids.bos = id_of(processor_.bos_id());
    ids.eos = id_of(processor_.eos_id());
    ids.unk = id_of(processor_.unk_id());
    ids.pad = id_of(processor_.pad_id());
    set_special_ids(ids);
    if (ids.bos) {
      prefix_ = {*ids.bos};
    } else if (ids.eos) {
      suffix_ = {*ids.eos};
    }
    for (int id = 0; id < processor_.GetPieceSize(); ++id) {
      pieces_.push_back(processor_.IdToPiece(id));
      if (!processor_.IsControl(id) && !processor_.IsUnknown(id)) continue;
      AddedToken token;
      token.id = id;
      token.content = pieces_.back();
      token.special = true;
      added_.emplace(token.content, token);
      specials_.insert(id);
    }
    index_added_tokens();
  }

  void add_tokens(std::span<const AddedToken> tokens) override {
    for (AddedToken token : tokens) {
      if (const auto known = find_piece(token.content)) {
        token.id = *known;
      } else {
        token.id = vocab_size();
        pieces_.push_back(token.content);
      }
      if (token.special) specials_.insert(token.id);
      if (!token.special) specials_.erase(token.id);
      added_.insert_or_assign(token.content, token);
    }
    index_added_tokens();
  }
  bool is_added(std::string_view text) const override { return added_.contains(std::string(text)); }
  void set_template(std::vector<int32_t> prefix, std::vector<int32_t> suffix) override {
    prefix_ = std::move(prefix);
    suffix_ = std::move(suffix);
  }

  const std::string& piece(int32_t id) const override {
    if (id < 0 || id >= vocab_size())
      throw DataError("token id {} is outside the vocabulary of {}", id, vocab_size());
    return pieces_[id];
  }
  std::optional<int32_t> find_piece(std::string_view piece) const override {
    if (const auto added = added_.find(std::string(piece)); added != added_.end())
      return added->second.id;
    const int id = processor_.PieceToId({piece.data(), piece.size()});
    return id >= 0 && id < processor_.GetPieceSize() && pieces_[id] == piece
               ? std::optional<int32_t>(id)
               : std::nullopt;
  }
  int32_t vocab_size() const override { return static_cast<int32_t>(pieces_.size()); }
  bool is_special(int32_t id) const override { return specials_.contains(id); }

 protected:
  void encode_utf8(std::string_view text, EncodeOptions options, bool want_offsets,
                   Encoding& result) const override {
    const auto add = [&](int32_t id, size_t begin, size_t end) {
      result.ids.push_back(id);
      if (!want_offsets) return;
      result.pieces.push_back(piece(id));
      result.offsets.push_back({static_cast<int64_t>(begin), static_cast<int64_t>(end)});
    };
    const auto add_template = [&](const std::vector<int32_t>& ids) {
      for (const int32_t id : ids) add(id, 0, 0);
    };
    if (options.add_special) add_template(prefix_);
    bool first = true;
    const auto plain = [&](size_t begin, size_t end) {
      encode_stretch(legacy_ || first ? processor_ : without_prefix_,
                     text.substr(begin, end - begin), begin, want_offsets, result);
      first = false;
    };
    if (options.parse_special || has_plain_added_) {
      matcher_.split(text, options.parse_special, plain,
                     [&](const AddedToken& token, size_t begin, size_t end) {
                       add(token.id, begin, end);
                       first = false;
                     });
    } else {
      plain(0, text.size());
    }
    if (options.add_special) add_template(suffix_);
  }

  std::string decode_ids(std::span<const int32_t> ids, bool skip_special) const override {
    std::string text, part;
    std::vector<int> run;
    const auto flush = [&] {
      if (run.empty()) return;
      const auto status = processor_.Decode(run, &part);
      if (!status.ok()) throw DataError("SentencePiece cannot decode: {}", status.ToString());
      text += part;
      run.clear();
    };
    for (const int32_t id : ids) {
      piece(id);  // checks the range
      // The library decodes control symbols to nothing, and does not know what was added.
      const bool is_text = id < processor_.GetPieceSize() && !processor_.IsControl(id) &&
                           (processor_.IsUnknown(id) || !is_special(id));
      if (is_text) {
        run.push_back(id);
      } else if (!skip_special || !is_special(id)) {
        flush();
        text += pieces_[id];
      }
    }
    flush();
    return text;
  }

 private:
  void index_added_tokens() {
    matcher_ = {};
    has_plain_added_ = false;
    for (const auto& [content, token] : added_) {
      matcher_.add(content, token);
      has_plain_added_ |= !token.special;
    }
  }
  void encode_stretch(const sentencepiece::SentencePieceProcessor& processor, std::string_view text,
                      size_t begin, bool want_offsets, Encoding& result) const {
    if (!want_offsets && fast_ && &processor == &processor_) {
      const std::vector<int32_t> ids = fast_->encode(text);
      result.ids.insert(result.ids.end(), ids.begin(), ids.end());
      return;
    }
    if (!want_offsets) {
      std::vector<int> ids;
      const auto status = processor.Encode({text.data(), text.size()}, &ids);
      if (!status.ok()) throw DataError("SentencePiece cannot encode: {}", status.ToString());
      result.ids.insert(result.ids.end(), ids.begin(), ids.end());
      return;
    }
    const auto encoded = processor.EncodeAsImmutableProto({text.data(), text.size()});
    for (size_t i = 0; i < encoded.pieces_size(); ++i) {
      const auto part = encoded.pieces(static_cast<int>(i));
      result.ids.push_back(static_cast<int32_t>(part.id()));
      result.pieces.push_back(part.piece());
      result.offsets.push_back(
          {static_cast<int64_t>(begin + part.begin()), static_cast<int64_t>(begin + part.end())});
    }
  }

  sentencepiece::SentencePieceProcessor processor_, without_prefix_;
  std::vector<std::string> pieces_;
  std::unique_ptr<PipelineTokenizer> fast_;  // gives processor_'s ids
  std::map<std::string, AddedToken> added_;  // by text; control symbols too
  std::set<int32_t> specials_;
  AddedTokenMatcher matcher_;     // of added_
  bool has_plain_added_ = false;  // one that is not special: found in any text
  std::vector<int32_t> prefix_, suffix_;
  bool legacy_;
};

}  // namespace

std::unique_ptr<EditableTokenizer> load_sentencepiece(const fs::path& path,
                                                      const SentencePieceOptions& options) {
  return std::make_unique<SentencePieceTokenizer>(MappedFile(path).text(), path.string(), options);
}

std::unique_ptr<PipelineTokenizer> load_sentencepiece_as_pipeline(const fs::path& path,
                                                                  PrependScheme scheme) {
  const std::string where = path.string();
  sentencepiece::SentencePieceProcessor processor;
  load_model(processor, MappedFile(path).text(), where);
  PipelineParts parts = bpe_parts(processor, where);
  parts.pre_tokenizer.add_metaspace(scheme, false);
  parts.decoders = byte_fallback_decoders(scheme != PrependScheme::kNever);
  Tokenizer::SpecialIds ids;
  if (processor.bos_id() >= 0) ids.bos = processor.bos_id();
  if (processor.eos_id() >= 0) ids.eos = processor.eos_id();
  if (processor.unk_id() >= 0) ids.unk = processor.unk_id();
  if (processor.pad_id() >= 0) ids.pad = processor.pad_id();
  if (ids.bos) parts.post_processor.prefix = {*ids.bos};
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(parts), where);
  tokenizer->set_special_ids(ids);
  return tokenizer;
}

}  // namespace tandem
