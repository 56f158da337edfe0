// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/regex.h"

namespace tandem {

// tokenizer.json writes a part (`what`: "decoder", ...) as null, as one step with a "type", or as a
// Sequence with a list of steps under the key `list`, which may be sequences again. Calls
// add(step, type) for each step in order. FormatError when they are nested too deeply.
template <typename Add>
void for_each_step(const TokenizerJson& spec, const char* what, const char* list,
                   std::string_view where, const Add& add, int depth = 0) {
  constexpr int kMaxDepth = 20;
  if (spec.is_null()) return;
  if (depth > kMaxDepth) throw FormatError("{}: {} sequences are nested too deeply", where, what);
  const auto type = field<std::string>(spec, "type", where);
  if (type != "Sequence") {
    add(spec, type);
    return;
  }
  for (const auto& step : list_field(spec, list, where))
    for_each_step(step, what, list, where, add, depth + 1);
}

// The step that replaces "pattern" by "content": an OfText when the pattern is a string, an OfRegex
// when it is a regular expression.
template <typename Step, typename OfText, typename OfRegex>
std::unique_ptr<Step> replace_step(const TokenizerJson& spec, std::string_view where) {
  const auto pattern = field<TokenizerJson>(spec, "pattern", where);
  auto to = field<std::string>(spec, "content", where);
  if (pattern.contains("Regex"))
    return std::make_unique<OfRegex>(Regex(field<std::string>(pattern, "Regex", where), where),
                                     std::move(to));
  return std::make_unique<OfText>(field<std::string>(pattern, "String", where), std::move(to));
}

}  // namespace tandem
