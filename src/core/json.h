// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/error.h"
#include "core/file.h"

namespace tandem {

// Keys keep the order in which they were written, so files of ours are stable and readable.
using Json = nlohmann::ordered_json;

// Throws FormatError that names `where` and the place of the mistake. Nesting deeper than 200 is
// refused.
Json parse_json(std::string_view text, std::string_view where);
Json read_json(const fs::path& path);
void write_json(const fs::path& path, const Json& value);

// Whether the file holds a JSON object with the key, and this text for it unless that is empty.
// False for a file that cannot be read.
bool json_file_has(const fs::path& path, std::string_view key, std::string_view text = "");

// value[key] as T; FormatError names `where`, the key, what was found and what was expected.
template <typename T>
T json_get(const Json& value, std::string_view key, std::string_view where) {
  const auto found = value.is_object() ? value.find(key) : value.end();
  if (found == value.end()) throw FormatError("{}: key '{}' is missing", where, key);
  try {
    // The library would cut 3.7 to 3, take true for 1 and wrap what does not fit.
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      const bool fits =
          found->is_number_unsigned()
              ? std::in_range<T>(found->template get<uint64_t>())
              : found->is_number_integer() && std::in_range<T>(found->template get<int64_t>());
      if (fits) return found->template get<T>();
    } else {
      return found->template get<T>();
    }
  } catch (const nlohmann::json::exception&) {
  }
  throw FormatError("{}: key '{}' has an unexpected value: {}", where, key,
                    found->dump().substr(0, 80));
}

// As json_get, with a value for an absent (or null) key.
template <typename T>
T json_get_or(const Json& value, std::string_view key, T fallback, std::string_view where) {
  const auto found = value.is_object() ? value.find(key) : value.end();
  if (found == value.end() || found->is_null()) return fallback;
  return json_get<T>(value, key, where);
}

}  // namespace tandem
