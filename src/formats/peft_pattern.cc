// SPDX-License-Identifier: Apache-2.0
#include "formats/peft_pattern.h"

#include <algorithm>
#include <cctype>

#include "formats/python_pattern.h"

namespace tandem {
namespace {

PythonPattern compiled(std::string_view pattern, std::string_view where) {
  return PythonPattern(pattern, where, "(.*\\.)?(", ")$");
}

// Most patterns are names, where '.' is any character: no need for more.
bool is_plain(std::string_view pattern) {
  return std::ranges::all_of(pattern, [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) || c == '_' || c == '.');
  });
}

bool plain_matches(std::string_view pattern, std::string_view module) {  // module is ASCII
  if (pattern.size() > module.size()) return false;
  const std::string_view end = module.substr(module.size() - pattern.size());
  const bool at_dot = end.size() == module.size() || module[module.size() - end.size() - 1] == '.';
  return at_dot &&
         std::ranges::equal(pattern, end, [](char p, char c) { return p == c || p == '.'; });
}

}  // namespace

void check_peft_pattern(std::string_view pattern, std::string_view where) {
  if (!is_plain(pattern)) compiled(pattern, where);
}

bool peft_pattern_matches(std::string_view pattern, std::string_view module,
                          std::string_view where) {
  const bool is_ascii = std::ranges::all_of(module, [](unsigned char c) { return c < 0x80; });
  if (is_ascii && is_plain(pattern)) return plain_matches(pattern, module);
  return compiled(pattern, where).matches_begin(module);
}

}  // namespace tandem
