// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/apply_folder_tokens.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>

#include "core/log.h"

namespace tandem {
namespace {

// The class without the word that transformers appends to its fast ones.
std::string class_of(const FolderTokens& tokens) {
  std::string name =
      field_or<std::string>(tokens.config, "tokenizer_class", "", tokens.config_path.string());
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

bool builds_template(std::string_view name) {
  static constexpr std::array kClasses = {"LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer",
                                          "CohereTokenizer", "GPTNeoXTokenizer"};
  return std::ranges::find(kClasses, name) != kClasses.end();
}

// Classes that put no BOS before a text unless they are told to.
bool adds_no_bos(std::string_view name) {
  static constexpr std::array kClasses = {"GPT2Tokenizer", "Qwen2Tokenizer", "GPTNeoXTokenizer",
                                          "CodeGenTokenizer", "BloomTokenizer"};
  return std::ranges::find(kClasses, name) != kClasses.end();
}

void add_tokens(const FolderTokens& tokens, EditableTokenizer& tokenizer) {
  std::vector<AddedToken> batch;
  std::set<std::string> texts, special;
  for (const auto& [role, token] : tokens.named) special.insert(token.content);
  for (const AddedToken& token : tokens.extra) special.insert(token.content);
  const auto add = [&](AddedToken token) {
    if (token.content.empty() || !texts.insert(token.content).second) return;
    token.special = token.special || special.contains(token.content);
    batch.push_back(std::move(token));
  };
  for (const FolderTokens::Declared& declared : tokens.added) add(declared.token);
  for (const auto& [role, token] : tokens.named)
    if (!tokenizer.is_added(token.content)) add(token);
  for (const AddedToken& token : tokens.extra)
    if (!tokenizer.is_added(token.content)) add(token);
  tokenizer.add_tokens(batch);

  int64_t moved = 0;
  const FolderTokens::Declared* first = nullptr;
  for (const FolderTokens::Declared& declared : tokens.added) {
    if (declared.token.content.empty() ||
        tokenizer.find_piece(declared.token.content) == declared.id)
      continue;
    if (++moved == 1) first = &declared;
  }
  if (first)
    spdlog::warn("{}: declares '{}' as {}; its id is {}, as in transformers{}", tokens.added_from,
                 first->token.content.substr(0, 80), first->id,
                 *tokenizer.find_piece(first->token.content),
                 moved > 1 ? fmt::format(" (and {} more)", moved - 1) : "");
}

void set_ids(const FolderTokens& tokens, EditableTokenizer& tokenizer) {
  Tokenizer::SpecialIds ids = tokenizer.special_ids();
  const auto set = [&](const char* role, std::optional<int32_t>& id) {
    const std::string text = tokens.text_of(role);
    if (text.empty()) return;
    if (const auto found = tokenizer.find_piece(text)) id = found;
  };
  set("bos_token", ids.bos);
  set("eos_token", ids.eos);
  set("unk_token", ids.unk);
  set("pad_token", ids.pad);
  tokenizer.set_special_ids(ids);
}

struct Flags {
  std::optional<bool> bos, eos;
};

Flags read_flags(const FolderTokens& tokens) {
  const auto read = [&](const char* key) -> std::optional<bool> {
    const auto found = tokens.config.find(key);
    if (found == tokens.config.end() || found->is_null()) return std::nullopt;
    return field<bool>(tokens.config, key, tokens.config_path.string());
  };
  return {read("add_bos_token"), read("add_eos_token")};
}

// The template [BOS] text [EOS]; a token that is wanted and has no id is told.
void set_template(const FolderTokens& tokens, bool bos, bool eos, EditableTokenizer& tokenizer) {
  const auto ids = [&](bool wanted, const char* name, std::optional<int32_t> id) {
    if (wanted && !id)
      spdlog::warn("{}: add_{}_token is true, but no {}_token is named: none is added",
                   tokens.config_path.string(), name, name);
    return wanted && id ? std::vector<int32_t>{*id} : std::vector<int32_t>{};
  };
  tokenizer.set_template(ids(bos, "bos", tokenizer.bos_id()), ids(eos, "eos", tokenizer.eos_id()));
}

void apply_flags(const FolderTokens& tokens, VocabularyFile from,
                 const Tokenizer::SpecialIds& model_ids, EditableTokenizer& tokenizer) {
  const Flags flags = read_flags(tokens);
  const std::string name = class_of(tokens);
  const bool flagged = flags.bos || flags.eos;
  if (from == VocabularyFile::kTokenizerJson) {
    const bool adds = !tokenizer.encode("", {.add_special = true}).empty();
    if (builds_template(name) && (flagged || !adds)) {
      const bool bos = flags.bos.value_or(tokenizer.bos_id() && !adds_no_bos(name));
      set_template(tokens, bos, flags.eos.value_or(false), tokenizer);
    } else if (!adds && (flags.bos.value_or(false) || flags.eos.value_or(false))) {
      spdlog::warn(
          "{}: add_{}_token is true, which has no effect beside tokenizer.json for the class '{}', "
          "as in transformers",
          tokens.config_path.string(), flags.bos.value_or(false) ? "bos" : "eos", name);
    }
  } else if (from == VocabularyFile::kSentencePiece) {
    set_template(tokens, flags.bos.value_or(model_ids.bos.has_value()),
                 flags.eos.value_or(!model_ids.bos && model_ids.eos), tokenizer);
  } else if (flagged) {
    set_template(tokens, flags.bos.value_or(false), flags.eos.value_or(false), tokenizer);
  }
  Tokenizer::SpecialIds ids = tokenizer.special_ids();
  ids.no_bos = flags.bos ? !*flags.bos : adds_no_bos(name);
  tokenizer.set_special_ids(ids);
}

}  // namespace

void apply_folder_tokens(const FolderTokens& tokens, VocabularyFile from,
                         EditableTokenizer& tokenizer) {
  const Tokenizer::SpecialIds model_ids = tokenizer.special_ids();
  add_tokens(tokens, tokenizer);
  set_ids(tokens, tokenizer);
  apply_flags(tokens, from, model_ids, tokenizer);
}

}  // namespace tandem
