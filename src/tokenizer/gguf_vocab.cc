// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "core/error.h"
#include "formats/gguf.h"
#include "tokenizer/bpe.h"
#include "tokenizer/loaders.h"

namespace tandem {
namespace {

constexpr std::string_view kMark = "\xE2\x96\x81";

// llama.cpp's kinds of tokens.
enum TokenType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4 };

// The split patterns that llama.cpp knows by name.
void add_pre_tokenizer(std::string_view name, PreTokenizer& out, std::string_view where) {
  static constexpr std::array kGpt2{"gpt-2", "gpt2", "phi-2",       "mpt",
                                    "olmo",  "jais", "roberta-bpe", "exaone"};
  static constexpr std::array kLlama3{"llama3",  "llama-v3", "llama-bpe", "falcon3",
                                      "pixtral", "dbrx",     "smaug-bpe"};
  static constexpr std::array kQwen2{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"};
  static constexpr std::array kDigits{"smollm", "starcoder", "refact", "codeshell", "command-r"};
  const auto one_of = [&](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (one_of(kLlama3)) {
    out.add_split(kLlama3SplitPattern, where);
  } else if (one_of(kQwen2)) {
    out.add_split(kQwen2SplitPattern, where);
  } else if (one_of(kGpt2) || one_of(kDigits)) {
    if (one_of(kDigits)) out.add_split(R"(\p{N})", where);
    out.add_split(kGpt2SplitPattern, where);
  } else {
    throw FormatError("{}: tokenizer.ggml.pre '{}' is not supported", where, name);
  }
}

}  // namespace

std::unique_ptr<PipelineTokenizer> load_gguf_tokenizer(const fs::path& path) {
  const GgufMetadata metadata(path);
  const std::string where = path.string();
  const std::string_view model = metadata.text("tokenizer.ggml.model");
  if (model != "llama" && model != "gpt2") {
    throw FormatError("{}: tokenizer.ggml.model '{}', expected llama or gpt2", where, model);
  }
  const bool spm = model == "llama";
  const auto pieces = metadata.texts("tokenizer.ggml.tokens");
  const auto num_pieces = static_cast<int32_t>(pieces.size());
  Vocabulary vocabulary;
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (!is_valid_utf8(pieces[id])) throw FormatError("{}: token {} is not UTF-8", where, id);
    vocabulary.add(std::string(pieces[id]), static_cast<int64_t>(id), num_pieces, where);
  }
  std::vector<double> types(pieces.size(), kNormal);
  if (metadata.contains("tokenizer.ggml.token_type"))
    types = metadata.numbers("tokenizer.ggml.token_type");
  if (types.size() != pieces.size()) {
    throw FormatError("{}: {} token types for {} tokens", where, types.size(), pieces.size());
  }
  const auto type_of = [&](int32_t id) { return static_cast<int>(types[static_cast<size_t>(id)]); };

  PipelineParts parts;
  for (int32_t id = 0; id < num_pieces; ++id) {
    const int type = type_of(id);
    if (type != kControl && type != kUserDefined && type != kUnknown) continue;
    AddedToken token;
    token.id = id;
    token.content = vocabulary.piece(id);
    token.special = type != kUserDefined;
    parts.added_tokens.push_back(std::move(token));
  }
  Tokenizer::SpecialIds ids;
  const auto special = [&](const char* key) -> std::optional<int32_t> {
    const auto id = metadata.integer(key);
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= num_pieces)
      throw FormatError("{}: {} is {}, of {} tokens", where, key, *id, num_pieces);
    return static_cast<int32_t>(*id);
  };
  ids.bos = special("tokenizer.ggml.bos_token_id");
  ids.eos = special("tokenizer.ggml.eos_token_id");
  ids.unk = special("tokenizer.ggml.unknown_token_id");
  ids.pad = special("tokenizer.ggml.padding_token_id");
  if (ids.bos && metadata.flag("tokenizer.ggml.add_bos_token").value_or(spm))
    parts.post_processor.prefix = {*ids.bos};
  if (ids.eos && metadata.flag("tokenizer.ggml.add_eos_token").value_or(false)) {
    parts.post_processor.suffix = {*ids.eos};
  }

  BpeOptions options;
  std::vector<BpeModel::Merge> merges;
  if (spm) {
    const auto scores = metadata.numbers("tokenizer.ggml.scores");
    if (scores.size() != pieces.size()) {
      throw FormatError("{}: {} scores for {} tokens", where, scores.size(), pieces.size());
    }
    // The best score merges first: its rank among the distinct scores, from the top.
    std::vector<double> distinct = scores;
    if (std::any_of(scores.begin(), scores.end(), [](double s) { return s != s; })) {
      throw FormatError("{}: a token's score is not a number", where);
    }
    std::sort(distinct.begin(), distinct.end(), std::greater<>());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    const auto rank = [&](int32_t id) {
      if (type_of(id) != kNormal && type_of(id) != kUserDefined) return -1;
      const auto at = std::lower_bound(distinct.begin(), distinct.end(),
                                       scores[static_cast<size_t>(id)], std::greater<>());
      return static_cast<int32_t>(at - distinct.begin());
    };
    merges = BpeModel::merges_from_ranks(
        vocabulary, [&](int32_t id) -> std::string_view { return vocabulary.piece(id); }, rank);
    options.byte_fallback = true;
    if (ids.unk) options.unk_piece = vocabulary.piece(*ids.unk);
    const bool prefix = metadata.flag("tokenizer.ggml.add_space_prefix").value_or(true);
    if (prefix) parts.normalizers.push_back(prepend_normalizer(" "));
    parts.normalizers.push_back(replace_normalizer(" ", std::string(kMark)));
    parts.decoders = byte_fallback_decoders(prefix);
  } else {
    options.byte_level = true;
    const auto list = metadata.texts("tokenizer.ggml.merges");
    merges.reserve(list.size());
    const auto need = [&](std::string_view piece) {
      const auto id = vocabulary.find(piece);
      if (!id)
        throw FormatError("{}: merge {} uses '{}', which is no token", where, merges.size(), piece);
      return *id;
    };
    for (const std::string_view merge : list) {
      const size_t space = merge.find(' ', 1);
      if (space == std::string_view::npos)
        throw FormatError("{}: merge {} is no pair", where, merges.size());
      const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
      merges.push_back({need(left), need(right), static_cast<int32_t>(merges.size()),
                        need(std::string(left).append(right))});
    }
    add_pre_tokenizer(metadata.text("tokenizer.ggml.pre"), parts.pre_tokenizer, where);
    parts.pre_tokenizer.set_byte_level();
    parts.decoders.push_back(byte_level_decoder());
  }
  parts.model = std::make_unique<BpeModel>(std::move(vocabulary), merges, options, where);
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(parts), where);
  tokenizer->set_special_ids(ids);
  return tokenizer;
}

}  // namespace tandem
