// SPDX-License-Identifier: Apache-2.0
// A GGUF vocabulary as tokenizer.json.
#include <fmt/format.h>

#include <algorithm>

#include "core/json.h"
#include "tokenizer/gguf_vocab.h"

namespace tandem {
namespace {

constexpr const char* kMark = "\xE2\x96\x81";

Json step(const char* type, const Json& fields = Json::object()) {
  Json json = {{"type", type}};
  json.update(fields);
  return json;
}

Json replace_step(const char* from, const char* to) {
  return step("Replace", {{"pattern", {{"String", from}}}, {"content", to}});
}

Json byte_level_step(bool trim_offsets) {
  return step("ByteLevel",
              {{"add_prefix_space", false}, {"trim_offsets", trim_offsets}, {"use_regex", false}});
}

// BOS before, EOS behind the text, as far as the vocabulary adds them.
Json template_step(const GgufVocabulary& vocab) {
  if (!vocab.adds_bos && !vocab.adds_eos) return nullptr;
  Json single = Json::array(), pair = Json::array(), tokens = Json::object();
  const auto special = [&](int32_t id, int type) {
    const std::string& piece = vocab.vocabulary.piece(id);
    tokens[piece] = {{"id", piece}, {"ids", Json::array({id})}, {"tokens", Json::array({piece})}};
    return Json{{"SpecialToken", {{"id", piece}, {"type_id", type}}}};
  };
  const auto add = [&](Json& to, const char* name, int type) {
    if (vocab.adds_bos) to.push_back(special(*vocab.ids.bos, type));
    to.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    if (vocab.adds_eos) to.push_back(special(*vocab.ids.eos, type));
  };
  add(single, "A", 0);
  add(pair, "A", 0);
  add(pair, "B", 1);
  return step("TemplateProcessing",
              {{"single", single}, {"pair", pair}, {"special_tokens", tokens}});
}

struct Steps {
  Json normalizer = nullptr, pre_tokenizer = nullptr, decoder = nullptr;
};

Steps sentencepiece_steps(bool adds_space) {
  Json normalizers = Json::array(), decoders = Json::array();
  if (adds_space) normalizers.push_back(step("Prepend", {{"prepend", kMark}}));
  normalizers.push_back(replace_step(" ", kMark));
  decoders.push_back(replace_step(kMark, " "));
  decoders.push_back(step("ByteFallback"));
  decoders.push_back(step("Fuse"));
  if (adds_space) decoders.push_back(step("Strip", {{"content", " "}, {"start", 1}, {"stop", 0}}));
  return {step("Sequence", {{"normalizers", normalizers}}), nullptr,
          step("Sequence", {{"decoders", decoders}})};
}

Steps byte_level_steps(const std::vector<std::string>& patterns) {
  Json steps = Json::array();
  for (const std::string& pattern : patterns)
    steps.push_back(step(
        "Split", {{"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}}));
  steps.push_back(byte_level_step(true));
  return {nullptr, step("Sequence", {{"pretokenizers", steps}}), byte_level_step(true)};
}

// By hand, as the vocabulary and the merges are long: inserting into a JSON object is linear.
std::string vocabulary_text(const Vocabulary& vocabulary) {
  std::string text = "{";
  for (int32_t id = 0; id < vocabulary.size(); ++id)
    text += fmt::format("{}{}:{}", id > 0 ? "," : "", Json(vocabulary.piece(id)).dump(), id);
  return text + "}";
}

std::string merges_text(const GgufVocabulary& vocab) {
  std::vector<BpeModel::Merge> merges = vocab.merges;
  std::stable_sort(merges.begin(), merges.end(),
                   [](const auto& a, const auto& b) { return a.rank < b.rank; });
  std::string text = "[";
  for (const BpeModel::Merge& merge : merges)
    text += fmt::format("{}[{},{}]", text.size() > 1 ? "," : "",
                        Json(vocab.vocabulary.piece(merge.left)).dump(),
                        Json(vocab.vocabulary.piece(merge.right)).dump());
  return text + "]";
}

Json added_tokens(const GgufVocabulary& vocab) {
  Json added = Json::array();
  for (int32_t id = 0; id < vocab.vocabulary.size(); ++id) {
    if (!vocab.is_added(id)) continue;
    const bool special = vocab.types[id] != static_cast<int>(GgufTokenType::kUserDefined);
    added.push_back({{"id", id},
                     {"content", vocab.vocabulary.piece(id)},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", special}});
  }
  return added;
}

std::string tokenizer_text(const GgufVocabulary& vocab) {
  const bool spm = vocab.is_sentencepiece;
  const Steps steps =
      spm ? sentencepiece_steps(vocab.adds_space) : byte_level_steps(vocab.split_patterns);
  const Json unk = spm && vocab.ids.unk ? Json(vocab.vocabulary.piece(*vocab.ids.unk)) : nullptr;
  const std::string model = fmt::format(
      "{{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":{},\"continuing_subword_prefix\":null,"
      "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":{},\"ignore_merges\":{},"
      "\n\"vocab\":{},\n\"merges\":{}}}",
      unk.dump(), spm, vocab.ignores_merges, vocabulary_text(vocab.vocabulary), merges_text(vocab));
  return fmt::format(
      "{{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n"
      "\"added_tokens\":{},\n\"normalizer\":{},\n\"pre_tokenizer\":{},\n"
      "\"post_processor\":{},\n\"decoder\":{},\n\"model\":{}}}\n",
      added_tokens(vocab).dump(), steps.normalizer.dump(), steps.pre_tokenizer.dump(),
      template_step(vocab).dump(), steps.decoder.dump(), model);
}

// One template as a text, several as transformers' list of names and texts.
Json chat_templates(const GgufVocabulary& vocab) {
  if (vocab.chat_templates.size() == 1 && vocab.chat_templates[0].first.empty())
    return vocab.chat_templates[0].second;
  Json list = Json::array();
  for (const auto& [name, text] : vocab.chat_templates)
    list.push_back({{"name", name.empty() ? "default" : name}, {"template", text}});
  return list;
}

Json config_json(const GgufVocabulary& vocab) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false}};
  const auto name = [&](const char* key, std::optional<int32_t> id) {
    if (id) config[key] = vocab.vocabulary.piece(*id);
  };
  name("bos_token", vocab.ids.bos);
  name("eos_token", vocab.ids.eos);
  name("unk_token", vocab.ids.unk);
  name("pad_token", vocab.ids.pad);
  if (vocab.bos_flag) config["add_bos_token"] = *vocab.bos_flag;
  if (vocab.eos_flag) config["add_eos_token"] = *vocab.eos_flag;
  if (!vocab.chat_templates.empty()) config["chat_template"] = chat_templates(vocab);
  return config;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> gguf_tokenizer_files(const GgufVocabulary& vocab) {
  return {{"tokenizer.json", tokenizer_text(vocab)},
          {"tokenizer_config.json", config_json(vocab).dump(2) + "\n"}};
}

void write_gguf_tokenizer(const GgufVocabulary& vocab, const fs::path& folder) {
  for (const auto& [name, content] : gguf_tokenizer_files(vocab))
    write_file(folder / name, content);
}

}  // namespace tandem
