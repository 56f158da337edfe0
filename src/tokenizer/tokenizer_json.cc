// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "core/error.h"
#include "core/json_depth.h"
#include "tokenizer/bpe.h"
#include "tokenizer/loaders.h"
#include "tokenizer/unigram.h"
#include "tokenizer/word_piece_model.h"

namespace tandem {

TokenizerJson parse_sorted_json(std::string_view text, std::string_view where) {
  constexpr int kMaxDepth = 64;
  if (json_depth(text) > kMaxDepth)
    throw FormatError("{}: JSON nested deeper than {}", where, kMaxDepth);
  try {
    return TokenizerJson::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw FormatError("{}: not valid JSON: {}", where, error.what());
  }
}

namespace {

// Ids may leave gaps, but not more than the file has bytes for.
int64_t max_id_for(std::string_view text) { return static_cast<int64_t>(text.size() / 2 + 1024); }

Vocabulary read_vocabulary(const TokenizerJson& vocab, int64_t max_id, std::string_view where) {
  if (!vocab.is_object()) throw FormatError("{}: the vocabulary is not an object", where);
  Vocabulary vocabulary;
  for (const auto& [piece, id] : vocab.items()) {
    if (!id.is_number_integer())
      throw FormatError("{}: token '{}' has no integer id", where, piece.substr(0, 40));
    vocabulary.add(piece, id.get<int64_t>(), max_id, where);
  }
  return vocabulary;
}

BpeModel::Merge make_merge(const Vocabulary& vocabulary, std::string_view left,
                           std::string_view right, size_t rank, std::string_view prefix,
                           std::string_view where) {
  const auto need = [&](std::string_view piece) {
    const auto id = vocabulary.find(piece);
    if (!id)
      throw FormatError("{}: merge {} uses '{}', which is not in the vocabulary", where, rank,
                        piece);
    return *id;
  };
  const std::string_view tail = right.starts_with(prefix) ? right.substr(prefix.size()) : right;
  return {need(left), need(right), static_cast<int32_t>(rank),
          need(std::string(left).append(tail))};
}

std::vector<BpeModel::Merge> read_merges(const TokenizerJson& list, const Vocabulary& vocabulary,
                                         std::string_view prefix, std::string_view where) {
  std::vector<BpeModel::Merge> merges;
  merges.reserve(list.size());
  for (const auto& merge : list) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      merges.push_back(make_merge(vocabulary, merge[0].get_ref<const std::string&>(),
                                  merge[1].get_ref<const std::string&>(), merges.size(), prefix,
                                  where));
      continue;
    }
    const auto* text = merge.get_ptr<const std::string*>();
    const size_t space = text ? text->find(' ') : std::string::npos;
    if (space == std::string::npos)
      throw FormatError("{}: merge {} is not a pair of pieces", where, merges.size());
    const std::string_view both = *text;
    merges.push_back(make_merge(vocabulary, both.substr(0, space), both.substr(space + 1),
                                merges.size(), prefix, where));
  }
  return merges;
}

// A score as the tokenizers library reads it: digits as an integer, then one multiplication or
// division by a power of ten. That is not always the nearest double, and decides between paths
// whose exact sums tie.
double library_score(double value) {
  std::array<char, 32> buffer;
  const char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                        std::abs(value), std::chars_format::scientific)
                              .ptr;
  uint64_t digits = 0;
  int exponent = 0;
  bool behind_point = false;
  for (const char* at = buffer.data(); at < end; ++at) {
    if (*at == '.') {
      behind_point = true;
    } else if (*at == 'e') {
      int written = 0;
      std::from_chars(at + (at[1] == '+' ? 2 : 1), end, written);
      exponent += written;
      break;
    } else {
      digits = digits * 10 + static_cast<uint64_t>(*at - '0');
      exponent -= behind_point;
    }
  }
  // Powers of ten up to 22 are exact; scores beyond are no log-probabilities.
  if (std::abs(exponent) > 22) return value;
  double power = 1;
  for (int i = 0; i < std::abs(exponent); ++i) power *= 10;
  const auto whole = static_cast<double>(digits);
  return std::copysign(exponent < 0 ? whole / power : whole * power, value);
}

std::unique_ptr<TokenModel> read_model(const TokenizerJson& spec, bool byte_level, int64_t max_id,
                                       std::string_view where) {
  // The oldest files leave the type out.
  const auto type =
      field_or<std::string>(spec, "type", spec.contains("merges") ? "BPE" : "WordPiece", where);
  const auto vocab = spec.find("vocab");
  if (vocab == spec.end()) throw FormatError("{}: the model has no vocab", where);
  if (type == "BPE") {
    BpeOptions options;
    options.byte_level = byte_level;
    options.byte_fallback = field_or(spec, "byte_fallback", false, where);
    options.fuse_unk = field_or(spec, "fuse_unk", false, where);
    options.ignore_merges = field_or(spec, "ignore_merges", false, where);
    if (spec.contains("unk_token") && !spec["unk_token"].is_null()) {
      options.unk_piece = field<std::string>(spec, "unk_token", where);
    }
    options.continuing_prefix = field_or<std::string>(spec, "continuing_subword_prefix", "", where);
    options.end_suffix = field_or<std::string>(spec, "end_of_word_suffix", "", where);
    Vocabulary vocabulary = read_vocabulary(*vocab, max_id, where);
    const auto merges = read_merges(list_field(spec, "merges", where), vocabulary,
                                    options.continuing_prefix, where);
    return std::make_unique<BpeModel>(std::move(vocabulary), merges, std::move(options), where);
  }
  if (type == "Unigram") {
    Vocabulary vocabulary;
    std::vector<double> scores;
    for (const auto& entry : list_field(spec, "vocab", where)) {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
          !entry[1].is_number()) {
        throw FormatError("{}: unigram entry {} is not a piece and its score", where,
                          scores.size());
      }
      const auto score = entry[1].get<double>();
      if (!std::isfinite(score))
        throw FormatError("{}: unigram entry {} has no finite score", where, scores.size());
      vocabulary.add(entry[0].get<std::string>(), static_cast<int64_t>(scores.size()), max_id,
                     where);
      scores.push_back(library_score(score));
    }
    std::optional<int32_t> unk;
    if (spec.contains("unk_id") && !spec["unk_id"].is_null()) {
      unk = field<int32_t>(spec, "unk_id", where);
      if (*unk < 0 || *unk >= vocabulary.size()) {
        throw FormatError("{}: unk_id {} is outside the vocabulary of {}", where, *unk,
                          vocabulary.size());
      }
    }
    return std::make_unique<UnigramModel>(std::move(vocabulary), std::move(scores), unk,
                                          field_or(spec, "byte_fallback", false, where));
  }
  if (type == "WordPiece") {
    Vocabulary vocabulary = read_vocabulary(*vocab, max_id, where);
    const auto name = field_or<std::string>(spec, "unk_token", "[UNK]", where);
    const auto unk = vocabulary.find(name);
    if (!unk) throw FormatError("{}: unk_token '{}' is not in the vocabulary", where, name);
    return std::make_unique<WordPieceModel>(
        std::move(vocabulary), *unk,
        field_or<std::string>(spec, "continuing_subword_prefix", "##", where),
        field_or<int64_t>(spec, "max_input_chars_per_word", 100, where));
  }
  throw FormatError("{}: model type '{}' is not supported", where, type);
}

std::unique_ptr<PipelineTokenizer> build(const TokenizerJson& root, std::string_view text,
                                         std::string_view where) {
  if (!root.is_object()) throw FormatError("{}: not a JSON object", where);
  const int64_t max_id = max_id_for(text);
  const auto part = [&](const char* key) -> const TokenizerJson& {
    static const TokenizerJson kNull;
    const auto found = root.find(key);
    return found == root.end() ? kNull : *found;
  };
  PipelineParts parts;
  parts.normalizers = make_normalizers(part("normalizer"), where);
  parts.pre_tokenizer = PreTokenizer::from_json(part("pre_tokenizer"), where);
  if (!part("model").is_object()) throw FormatError("{}: key 'model' is not an object", where);
  parts.model = read_model(part("model"), parts.pre_tokenizer.byte_level(), max_id, where);
  parts.post_processor = PostProcessor::from_json(part("post_processor"), where);
  parts.decoders = make_decoders(part("decoder"), where);
  parts.join_with_spaces = part("decoder").is_null();
  if (!part("added_tokens").is_null()) {
    for (const auto& entry : list_field(root, "added_tokens", where)) {
      AddedToken token;
      const auto id = field<int64_t>(entry, "id", where);
      token.content = field<std::string>(entry, "content", where);
      if (id < 0 || id > max_id)
        throw FormatError("{}: added token '{}' has id {}", where, token.content, id);
      token.id = static_cast<int32_t>(id);
      token.special = field_or(entry, "special", false, where);
      token.single_word = field_or(entry, "single_word", false, where);
      token.lstrip = field_or(entry, "lstrip", false, where);
      token.rstrip = field_or(entry, "rstrip", false, where);
      token.normalized = field_or(entry, "normalized", !token.special, where);
      parts.added_tokens.push_back(std::move(token));
    }
  }
  const auto unk = parts.model->unk_id();
  const std::vector<int32_t> before = parts.post_processor.prefix,
                             behind = parts.post_processor.suffix;
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(parts), where);

  // Which tokens are BOS and EOS is not in the file: the template's, else the usual names.
  const auto named = [&](std::initializer_list<const char*> names) -> std::optional<int32_t> {
    for (const char* name : names) {
      const auto id = tokenizer->find_piece(name);
      if (id && tokenizer->is_special(*id)) return id;
    }
    return std::nullopt;
  };
  Tokenizer::SpecialIds ids;
  ids.unk = unk;
  ids.bos =
      before.empty() ? named({"<s>", "<|begin_of_text|>", "[CLS]"}) : std::optional(before.front());
  ids.eos = behind.empty() ? named({"</s>", "<|end_of_text|>", "<|endoftext|>", "[SEP]"})
                           : std::optional(behind.back());
  ids.pad = named({"<pad>", "[PAD]", "<|finetune_right_pad_id|>"});
  tokenizer->set_special_ids(ids);
  return tokenizer;
}

}  // namespace

const char* const kGpt2SplitPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char* const kLlama3SplitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kQwen2SplitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::unique_ptr<PipelineTokenizer> parse_tokenizer_json(std::string_view text,
                                                        std::string_view where) {
  try {
    return build(parse_sorted_json(text, where), text, where);
  } catch (const nlohmann::json::exception& error) {
    throw FormatError("{}: {}", where, error.what());
  }
}

std::unique_ptr<PipelineTokenizer> load_tokenizer_json(const fs::path& path) {
  return parse_tokenizer_json(MappedFile(path).text(), path.string());
}

std::unique_ptr<PipelineTokenizer> load_vocab_and_merges(const fs::path& vocab,
                                                         const fs::path& merges, bool qwen2) {
  const MappedFile vocab_file(vocab), merges_file(merges);
  const std::string where = vocab.string();
  Vocabulary vocabulary = read_vocabulary(parse_sorted_json(vocab_file.text(), where),
                                          max_id_for(vocab_file.text()), where);
  std::vector<BpeModel::Merge> list;
  std::string_view rest = merges_file.text();
  for (size_t line_number = 1; !rest.empty(); ++line_number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (line_number == 1 && line.starts_with("#version"))) continue;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) {
      throw FormatError("{}:{}: not a pair of pieces", merges.string(), line_number);
    }
    list.push_back(make_merge(vocabulary, line.substr(0, space), line.substr(space + 1),
                              list.size(), "", merges.string()));
  }

  PipelineParts parts;
  for (const char* name : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    const auto id = vocabulary.find(name);
    AddedToken token;
    token.content = name;
    token.special = true;
    token.id = id.value_or(vocabulary.size() + static_cast<int32_t>(parts.added_tokens.size()));
    // GPT-2's files hold their one special token; Qwen2's three follow the vocabulary.
    if (id || qwen2) parts.added_tokens.push_back(std::move(token));
  }
  if (qwen2) parts.normalizers = make_normalizers(TokenizerJson{{"type", "NFC"}}, where);
  parts.pre_tokenizer.add_split(qwen2 ? kQwen2SplitPattern : kGpt2SplitPattern, where);
  parts.pre_tokenizer.set_byte_level();
  parts.decoders.push_back(byte_level_decoder());
  BpeOptions options;
  options.byte_level = true;
  parts.model = std::make_unique<BpeModel>(std::move(vocabulary), list, options, where);
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(parts), where);
  Tokenizer::SpecialIds ids;
  ids.eos = tokenizer->find_piece("<|endoftext|>");
  if (!qwen2) ids.bos = ids.eos;
  tokenizer->set_special_ids(ids);
  return tokenizer;
}

}  // namespace tandem
