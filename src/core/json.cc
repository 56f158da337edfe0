// SPDX-License-Identifier: Apache-2.0
#include "core/json.h"

namespace tandem {

Json parse_json(std::string_view text, std::string_view where) {
  constexpr int kMaxDepth = 200;
  try {
    return Json::parse(text, [](int depth, Json::parse_event_t, Json&) {
      if (depth > kMaxDepth) throw std::length_error("nested too deeply");
      return true;
    });
  } catch (const nlohmann::json::parse_error& error) {
    const size_t at = std::min(error.byte, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n');
    throw FormatError("{}:{}: not valid JSON: {}", where, line, error.what());
  } catch (const nlohmann::json::exception& error) {  // a number beyond double's range
    throw FormatError("{}: not valid JSON: {}", where, error.what());
  } catch (const std::length_error& error) {
    throw FormatError("{}: JSON {}", where, error.what());
  }
}

Json read_json(const fs::path& path) { return parse_json(MappedFile(path).text(), path.string()); }

void write_json(const fs::path& path, const Json& value) { write_file(path, value.dump(2) + "\n"); }

}  // namespace tandem
