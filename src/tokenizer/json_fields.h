// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/error.h"

namespace tandem {

// tokenizer.json holds objects of 10^5 keys: a sorted map, not core/json.h's ordered one, whose
// inserts are linear.
using TokenizerJson = nlohmann::json;

// The text as JSON; FormatError that names `where` when it is none or nested deeply.
TokenizerJson parse_sorted_json(std::string_view text, std::string_view where);

// value[key] as T, or the fallback for an absent or null key. FormatError names the place and what
// was found.
template <typename T>
T field_or(const TokenizerJson& value, const char* key, T fallback, std::string_view where) {
  const auto found = value.is_object() ? value.find(key) : value.end();
  if (found == value.end() || found->is_null()) return fallback;
  try {
    return found->template get<T>();
  } catch (const nlohmann::json::exception&) {
    throw FormatError(
        "{}: key '{}' has an unexpected value: {}", where, key,
        found->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).substr(0, 80));
  }
}

template <typename T>
T field(const TokenizerJson& value, const char* key, std::string_view where) {
  const auto found = value.is_object() ? value.find(key) : value.end();
  if (found == value.end() || found->is_null())
    throw FormatError("{}: key '{}' is missing", where, key);
  return field_or<T>(value, key, T{}, where);
}

// The list value[key]; FormatError when it is none.
inline const TokenizerJson& list_field(const TokenizerJson& value, const char* key,
                                       std::string_view where) {
  const auto found = value.is_object() ? value.find(key) : value.end();
  if (found == value.end() || !found->is_array())
    throw FormatError("{}: key '{}' is not a list", where, key);
  return *found;
}

}  // namespace tandem
