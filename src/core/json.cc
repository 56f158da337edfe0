// SPDX-License-Identifier: Apache-2.0
#include "core/json.h"

#include <algorithm>

#include "core/json_depth.h"

namespace tandem {

int json_depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

Json parse_json(std::string_view text, std::string_view where) {
  constexpr int kMaxDepth = 200;
  if (json_depth(text) > kMaxDepth) throw FormatError("{}: JSON nested too deeply", where);
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const size_t at = std::min(error.byte, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n');
    throw FormatError("{}:{}: not valid JSON: {}", where, line, error.what());
  } catch (const nlohmann::json::exception& error) {  // a number beyond double's range
    throw FormatError("{}: not valid JSON: {}", where, error.what());
  }
}

Json read_json(const fs::path& path) { return parse_json(MappedFile(path).text(), path.string()); }

void write_json(const fs::path& path, const Json& value) { write_file(path, value.dump(2) + "\n"); }

bool json_file_has(const fs::path& path, std::string_view key, std::string_view text) {
  try {
    const Json json = read_json(path);
    const auto found = json.is_object() ? json.find(key) : json.end();
    return found != json.end() && (text.empty() || (found->is_string() && *found == text));
  } catch (const Error&) {
    return false;
  }
}

}  // namespace tandem
