// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/trained_files.h"

#include <fmt/format.h>

#include <span>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/json.h"
#include "tokenizer/loaders.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

constexpr std::string_view kMark = kSpaceMark;
constexpr const char* kConfigFile = "tokenizer_config.json";

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

// The steps before and after the model, as tokenizer.json has them.
struct Steps {
  Json normalizer, pre_tokenizer, post_processor, decoder;
};

Steps byte_level_steps(const Json& bos_step) {
  return {.normalizer = {},
          .pre_tokenizer = {{"type", "Sequence"},
                            {"pretokenizers",
                             Json::array({{{"type", "Split"},
                                           {"pattern", {{"Regex", kLlama3SplitPattern}}},
                                           {"behavior", "Isolated"},
                                           {"invert", false}},
                                          byte_level_step(false, true, false)})}},
          .post_processor = {{"type", "Sequence"},
                             {"processors",
                              Json::array({byte_level_step(true, false, true), bos_step})}},
          .decoder = byte_level_step(true, true, true)};
}

Steps sentence_piece_steps(const Json& bos_step) {
  return {
      .normalizer = {{"type", "Sequence"},
                     {"normalizers", Json::array({{{"type", "Prepend"}, {"prepend", kMark}},
                                                  {{"type", "Replace"},
                                                   {"pattern", {{"String", " "}}},
                                                   {"content", kMark}}})}},
      .pre_tokenizer = {},
      .post_processor = bos_step,
      .decoder = {
          {"type", "Sequence"},
          {"decoders",
           Json::array({{{"type", "Replace"}, {"pattern", {{"String", kMark}}}, {"content", " "}},
                        Json{{"type", "ByteFallback"}},
                        Json{{"type", "Fuse"}},
                        {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}}};
}

// What tokenizer.json says of the pieces: the model's vocabulary and merges, the special tokens and
// titles added to it, each with its number.
struct NumberedPieces {
  std::string vocab = "{";  // by hand: inserting into an ordered JSON object is linear
  Json merges = Json::array(), added = Json::array();
  std::unordered_map<std::string, int32_t> ids;
};

NumberedPieces number_pieces(const Pieces& pieces, std::span<const char* const> specials,
                             const std::vector<std::string>& titles) {
  NumberedPieces all;
  for (const std::string& piece : pieces.spelling) {
    const auto id = static_cast<int32_t>(all.ids.size());
    all.vocab += fmt::format("{}{}:{}", id > 0 ? "," : "", Json(piece).dump(), id);
    all.ids.emplace(piece, id);
  }
  all.vocab += "}";
  for (const auto& [left, right] : pieces.merges)
    all.merges.push_back({pieces.spelling[left], pieces.spelling[right]});
  auto next_id = static_cast<int32_t>(all.ids.size());
  const auto id_of = [&](const std::string& text) {
    const auto [found, fresh] = all.ids.emplace(text, next_id);
    if (fresh) ++next_id;
    return found->second;
  };
  std::unordered_set<std::string> seen;
  for (const char* name : specials) {
    all.added.push_back(added_token(id_of(name), name, true));
    seen.insert(name);
  }
  for (const std::string& title : titles) {
    const std::string text = repair_utf8(title);
    if (!text.empty() && seen.insert(text).second)
      all.added.push_back(added_token(id_of(text), text, false));
  }
  return all;
}

}  // namespace

std::vector<const char*> trained_specials(TokenizerStyle style) {
  if (style == TokenizerStyle::kByteFallback) return {"<unk>", "<s>", "</s>"};
  return {"<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"};
}

std::string tokenizer_json(const Pieces& pieces, const std::vector<std::string>& titles,
                           TokenizerStyle style) {
  const bool byte_level = style == TokenizerStyle::kByteLevel;
  const auto specials = trained_specials(style);
  const NumberedPieces all = number_pieces(pieces, specials, titles);
  const char* const bos = specials[byte_level ? 0 : 1];
  const Json bos_step = bos_template(bos, all.ids.at(bos));
  const Steps steps = byte_level ? byte_level_steps(bos_step) : sentence_piece_steps(bos_step);
  const Json unk = byte_level ? Json() : Json("<unk>");
  return fmt::format(
      "{{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n\"added_tokens\":{},"
      "\n\"normalizer\":{},\n"
      "\"pre_tokenizer\":{},\n\"post_processor\":{},\n\"decoder\":{},\n\"model\":{{\"type\":"
      "\"BPE\",\"dropout\":null,"
      "\"unk_token\":{},\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_"
      "unk\":{},"
      "\"byte_fallback\":{},\"ignore_merges\":{},\n\"vocab\":{},\n\"merges\":{}}}}}\n",
      all.added.dump(), steps.normalizer.dump(), steps.pre_tokenizer.dump(),
      steps.post_processor.dump(), steps.decoder.dump(), unk.dump(), !byte_level, !byte_level,
      byte_level, all.vocab, all.merges.dump());
}

namespace {

Json tokenizer_config(TokenizerStyle style) {
  const auto names = trained_specials(style);
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
