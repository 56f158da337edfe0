// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/folder_tokens.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "core/log.h"

namespace tandem {
namespace {

// In the order in which transformers adds them.
constexpr std::array kRoles = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};
constexpr std::array kLists = {"additional_special_tokens", "extra_special_tokens"};
constexpr const char* kDecoder = "added_tokens_decoder";

TokenizerJson read_object(const fs::path& path) {
  TokenizerJson json = parse_sorted_json(MappedFile(path).text(), path.string());
  if (!json.is_object()) throw FormatError("{}: not a JSON object", path.string());
  return json;
}

// "</s>", or {"content": "</s>", ...}; flags as transformers' AddedToken has them by default.
AddedToken read_token(const TokenizerJson& json, bool special, const std::string& where) {
  AddedToken token;
  if (json.is_string()) {
    token.content = json.get<std::string>();
    token.special = special;
    token.normalized = !special;
    return token;
  }
  if (!json.is_object())
    throw FormatError(
        "{} is {}, expected a text or an object with 'content'", where,
        json.dump(-1, ' ', true, TokenizerJson::error_handler_t::replace).substr(0, 80));
  token.content = field<std::string>(json, "content", where);
  const bool own = field_or(json, "special", false, where);
  token.special = own || special;
  token.normalized = field_or(json, "normalized", !own, where);
  token.single_word = field_or(json, "single_word", false, where);
  token.lstrip = field_or(json, "lstrip", false, where);
  token.rstrip = field_or(json, "rstrip", false, where);
  return token;
}

bool has(const TokenizerJson& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && !found->is_null();
}

int64_t read_id(std::string_view text, const std::string& where) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0)
    throw FormatError("{}: key '{}' is no token id", where, text.substr(0, 80));
  return id;
}

void read_decoder(FolderTokens& tokens) {
  tokens.added_from = fmt::format("{}: {}", tokens.config_path.string(), kDecoder);
  const TokenizerJson& decoder = tokens.config.at(kDecoder);
  if (!decoder.is_object()) throw FormatError("{} is not an object", tokens.added_from);
  for (const auto& [id, value] : decoder.items()) {
    const std::string where = fmt::format("{}['{}']", tokens.added_from, id.substr(0, 80));
    if (!value.is_object()) throw FormatError("{} is not an object", where);
    tokens.added.push_back({read_id(id, tokens.added_from), read_token(value, false, where)});
  }
}

// {text: id}; those of a text that has a role are special.
void read_added_file(const fs::path& path, const std::set<std::string>& special,
                     FolderTokens& tokens) {
  tokens.added_from = path.string();
  const TokenizerJson file = read_object(path);
  for (const auto& [text, id] : file.items()) {
    if (!id.is_number_integer() || id < 0)
      throw FormatError("{}: key '{}' is {}, expected a token id", path.string(),
                        text.substr(0, 80), id.dump(-1, ' ', true).substr(0, 80));
    AddedToken token;
    token.content = text;
    token.special = special.contains(text);
    token.normalized = !token.special;
    tokens.added.push_back({id.get<int64_t>(), std::move(token)});
  }
}

// The roles and lists of an object, with `where` as the name of its file.
void read_roles(const TokenizerJson& json, const std::string& where, FolderTokens& tokens) {
  for (const char* role : kRoles) {
    if (!has(json, role)) continue;
    AddedToken token = read_token(json.at(role), true, fmt::format("{}: key '{}'", where, role));
    std::erase_if(tokens.named, [&](const auto& entry) { return entry.first == role; });
    if (!token.content.empty()) tokens.named.emplace_back(role, std::move(token));
  }
  for (const char* list : kLists) {
    if (!has(json, list)) continue;
    const TokenizerJson& value = json.at(list);
    if (!value.is_array() && !value.is_object())
      throw FormatError("{}: key '{}' is neither a list nor an object", where, list);
    for (const auto& entry : value) {
      AddedToken token = read_token(entry, true, fmt::format("{}: key '{}'", where, list));
      const bool known = std::ranges::any_of(
          tokens.extra, [&](const AddedToken& other) { return other.content == token.content; });
      if (!known && !token.content.empty()) tokens.extra.push_back(std::move(token));
    }
  }
}

void warn_of_unread(const fs::path& path, const FolderTokens& tokens) {
  std::set<std::string> declared;
  for (const FolderTokens::Declared& entry : tokens.added) declared.insert(entry.token.content);
  const TokenizerJson file = read_object(path);
  for (const auto& [text, id] : file.items()) {
    if (declared.contains(text)) continue;
    spdlog::warn("{}: '{}' is not in {}, which alone counts, as in transformers", path.string(),
                 text.substr(0, 80), tokens.added_from);
    return;
  }
}

}  // namespace

std::string FolderTokens::text_of(std::string_view role) const {
  for (const auto& [name, token] : named)
    if (name == role) return token.content;
  return "";
}

FolderTokens read_folder_tokens(const fs::path& folder) {
  FolderTokens tokens{.config_path = folder / "tokenizer_config.json",
                      .config = TokenizerJson::object(),
                      .added_from = {},
                      .added = {},
                      .named = {},
                      .extra = {}};
  const fs::path map = folder / "special_tokens_map.json", added = folder / "added_tokens.json";
  if (fs::exists(tokens.config_path)) tokens.config = read_object(tokens.config_path);
  read_roles(tokens.config, tokens.config_path.string(), tokens);
  if (has(tokens.config, kDecoder)) {
    read_decoder(tokens);
    if (fs::exists(added)) warn_of_unread(added, tokens);
  } else {
    if (fs::exists(map)) read_roles(read_object(map), map.string(), tokens);
    std::set<std::string> special;
    for (const auto& [role, token] : tokens.named) special.insert(token.content);
    for (const AddedToken& token : tokens.extra) special.insert(token.content);
    if (fs::exists(added)) read_added_file(added, special, tokens);
  }
  std::ranges::stable_sort(tokens.named, {}, [](const auto& entry) {
    return std::ranges::find(kRoles, entry.first) - kRoles.begin();
  });
  std::ranges::stable_sort(tokens.added, {}, &FolderTokens::Declared::id);
  return tokens;
}

}  // namespace tandem
