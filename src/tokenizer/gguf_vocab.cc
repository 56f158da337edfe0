// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/gguf_vocab.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "formats/gguf_split.h"
#include "tokenizer/loaders.h"

namespace tandem {
namespace {

constexpr std::string_view kMark = "\xE2\x96\x81";

// The split patterns that llama.cpp knows by name, and whether whole words go before merges.
void set_pre_tokenizer(std::string_view name, GgufVocabulary& out, std::string_view where) {
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
    out.split_patterns = {kLlama3SplitPattern};
    out.ignores_merges = true;
  } else if (one_of(kQwen2)) {
    out.split_patterns = {kQwen2SplitPattern};
  } else if (one_of(kGpt2) || one_of(kDigits)) {
    if (one_of(kDigits)) out.split_patterns.push_back(R"(\p{N})");
    out.split_patterns.push_back(kGpt2SplitPattern);
  } else {
    throw FormatError("{}: tokenizer.ggml.pre '{}' is not supported", where, name);
  }
}

}  // namespace

bool GgufVocabulary::is_added(int32_t id) const {
  const auto type = static_cast<GgufTokenType>(types[id]);
  return type == GgufTokenType::kControl || type == GgufTokenType::kUserDefined ||
         type == GgufTokenType::kUnknown;
}

namespace {

// SentencePiece scores its pieces instead of listing merges: the best score merges first.
std::vector<BpeModel::Merge> merges_from_scores(const GgufVocabulary& vocab,
                                                const std::vector<double>& scores,
                                                std::string_view where) {
  if (scores.size() != static_cast<size_t>(vocab.vocabulary.size())) {
    throw FormatError("{}: {} scores for {} tokens", where, scores.size(), vocab.vocabulary.size());
  }
  if (std::any_of(scores.begin(), scores.end(), [](double s) { return s != s; })) {
    throw FormatError("{}: a token's score is not a number", where);
  }
  std::vector<double> distinct = scores;
  std::sort(distinct.begin(), distinct.end(), std::greater<>());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  const auto rank = [&](int32_t id) {
    const auto type = static_cast<GgufTokenType>(vocab.types[id]);
    if (type != GgufTokenType::kNormal && type != GgufTokenType::kUserDefined) return -1;
    const auto at =
        std::lower_bound(distinct.begin(), distinct.end(), scores[id], std::greater<>());
    return static_cast<int32_t>(at - distinct.begin());
  };
  const auto text = [&](int32_t id) -> std::string_view { return vocab.vocabulary.piece(id); };
  return BpeModel::merges_from_ranks(vocab.vocabulary, text, rank);
}

std::vector<BpeModel::Merge> listed_merges(const Vocabulary& vocabulary,
                                           const std::vector<std::string_view>& list,
                                           std::string_view where) {
  std::vector<BpeModel::Merge> merges;
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
  return merges;
}

// Without the flags as llama.cpp: BOS for SentencePiece and for Llama 3's split, and no EOS.
void set_template(const GgufMetadata& metadata, GgufVocabulary& vocab) {
  vocab.bos_flag = metadata.flag("tokenizer.ggml.add_bos_token");
  vocab.eos_flag = metadata.flag("tokenizer.ggml.add_eos_token");
  const bool llama3 = vocab.ignores_merges;
  vocab.adds_bos = vocab.ids.bos && vocab.bos_flag.value_or(vocab.is_sentencepiece || llama3);
  vocab.adds_eos = vocab.ids.eos && vocab.eos_flag.value_or(false);
  vocab.ids.no_bos = vocab.bos_flag == false;
}

// tokenizer.chat_template, and tokenizer.chat_template.NAME for each of tokenizer.chat_templates.
void read_chat_templates(const GgufMetadata& metadata, GgufVocabulary& vocab) {
  const std::string key = "tokenizer.chat_template";
  const auto add = [&](const std::string& name, const std::string& from) {
    if (!metadata.contains(from)) return;
    const std::string_view text = metadata.text(from);
    if (!is_valid_utf8(text))
      throw FormatError("{}: key '{}' is not UTF-8", metadata.path().string(), from);
    vocab.chat_templates.emplace_back(name, text);
  };
  add("", key);
  if (!metadata.contains("tokenizer.chat_templates")) return;
  for (const std::string_view name : metadata.texts("tokenizer.chat_templates")) {
    if (!is_valid_utf8(name))
      throw FormatError("{}: key 'tokenizer.chat_templates' is not UTF-8",
                        metadata.path().string());
    add(std::string(name), fmt::format("{}.{}", key, name));
  }
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const fs::path& path) {
  const GgufMetadata metadata = open_gguf_keys(path);
  const std::string where = metadata.path().string();
  const std::string_view model = metadata.text("tokenizer.ggml.model");
  if (model != "llama" && model != "gpt2") {
    throw FormatError("{}: tokenizer.ggml.model '{}', expected llama or gpt2", where, model);
  }
  GgufVocabulary vocab;
  vocab.is_sentencepiece = model == "llama";
  const auto pieces = metadata.texts("tokenizer.ggml.tokens");
  const auto num_pieces = static_cast<int32_t>(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (!is_valid_utf8(pieces[id])) throw FormatError("{}: token {} is not UTF-8", where, id);
    vocab.vocabulary.add(std::string(pieces[id]), static_cast<int64_t>(id), num_pieces, where);
  }
  vocab.types.assign(pieces.size(), static_cast<int>(GgufTokenType::kNormal));
  if (metadata.contains("tokenizer.ggml.token_type")) {
    const std::vector<double> types = metadata.numbers("tokenizer.ggml.token_type");
    if (types.size() != pieces.size()) {
      throw FormatError("{}: {} token types for {} tokens", where, types.size(), pieces.size());
    }
    for (size_t i = 0; i < types.size(); ++i)  // a number of no kind is none of ours
      vocab.types[i] = types[i] >= 0 && types[i] < 256 ? static_cast<int>(types[i]) : 0;
  }
  const auto special = [&](const char* key) -> std::optional<int32_t> {
    const auto id = metadata.integer(key);
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= num_pieces)
      throw FormatError("{}: {} is {}, of {} tokens", where, key, *id, num_pieces);
    return static_cast<int32_t>(*id);
  };
  vocab.ids.bos = special("tokenizer.ggml.bos_token_id");
  vocab.ids.eos = special("tokenizer.ggml.eos_token_id");
  vocab.ids.unk = special("tokenizer.ggml.unknown_token_id");
  vocab.ids.pad = special("tokenizer.ggml.padding_token_id");
  if (vocab.is_sentencepiece) {
    vocab.adds_space = metadata.flag("tokenizer.ggml.add_space_prefix").value_or(true);
    vocab.merges = merges_from_scores(vocab, metadata.numbers("tokenizer.ggml.scores"), where);
  } else {
    vocab.merges = listed_merges(vocab.vocabulary, metadata.texts("tokenizer.ggml.merges"), where);
    set_pre_tokenizer(metadata.text("tokenizer.ggml.pre"), vocab, where);
  }
  set_template(metadata, vocab);
  read_chat_templates(metadata, vocab);
  return vocab;
}

std::unique_ptr<PipelineTokenizer> load_gguf_tokenizer(const fs::path& path) {
  const std::string where = path.string();
  GgufVocabulary vocab = read_gguf_vocabulary(path);
  PipelineParts parts;
  for (int32_t id = 0; id < vocab.vocabulary.size(); ++id) {
    if (!vocab.is_added(id)) continue;
    AddedToken token;
    token.id = id;
    token.content = vocab.vocabulary.piece(id);
    token.special = vocab.types[id] != static_cast<int>(GgufTokenType::kUserDefined);
    parts.added_tokens.push_back(std::move(token));
  }
  if (vocab.adds_bos) parts.post_processor.prefix = {*vocab.ids.bos};
  if (vocab.adds_eos) parts.post_processor.suffix = {*vocab.ids.eos};
  BpeOptions options;
  options.ignore_merges = vocab.ignores_merges;
  if (vocab.is_sentencepiece) {
    options.byte_fallback = true;
    if (vocab.ids.unk) options.unk_piece = vocab.vocabulary.piece(*vocab.ids.unk);
    if (vocab.adds_space) parts.normalizers.push_back(prepend_normalizer(" "));
    parts.normalizers.push_back(replace_normalizer(" ", std::string(kMark)));
    parts.decoders = byte_fallback_decoders(vocab.adds_space);
  } else {
    options.byte_level = true;
    for (const std::string& pattern : vocab.split_patterns)
      parts.pre_tokenizer.add_split(pattern, where);
    parts.pre_tokenizer.set_byte_level();
    parts.decoders.push_back(byte_level_decoder());
  }
  parts.model =
      std::make_unique<BpeModel>(std::move(vocab.vocabulary), vocab.merges, options, where);
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(parts), where);
  tokenizer->set_special_ids(vocab.ids);
  return tokenizer;
}

}  // namespace tandem
