// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/post_processor.h"

#include <algorithm>

#include "tokenizer/json_steps.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

void add_template(const TokenizerJson& spec, std::string_view where, PostProcessor& out) {
  const auto specials =
      field_or<TokenizerJson>(spec, "special_tokens", TokenizerJson::object(), where);
  bool behind = false;
  for (const auto& part : list_field(spec, "single", where)) {
    if (part.contains("Sequence")) {
      behind = true;
      continue;
    }
    const auto token = field<TokenizerJson>(part, "SpecialToken", where);
    const auto name = field<std::string>(token, "id", where);
    const auto found = specials.find(name);
    if (found == specials.end())
      throw FormatError("{}: the template's token '{}' is not defined", where, name);
    for (const auto& id : field<std::vector<int32_t>>(*found, "ids", where)) {
      (behind ? out.suffix : out.prefix).push_back(id);
    }
  }
}

int32_t pair_id(const TokenizerJson& spec, const char* key, std::string_view where) {
  const auto& pair = list_field(spec, key, where);
  if (pair.size() != 2 || !pair[1].is_number_integer()) {
    throw FormatError("{}: key '{}' is not a token and its id", where, key);
  }
  return pair[1].get<int32_t>();
}

void add_processor(const TokenizerJson& spec, const std::string& type, std::string_view where,
                   PostProcessor& out) {
  if (type == "TemplateProcessing") {
    add_template(spec, where, out);
  } else if (type == "ByteLevel") {
    out.trims_offsets |= field_or(spec, "trim_offsets", true, where);
    out.keeps_prefix_space = field_or(spec, "add_prefix_space", true, where);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    out.prefix.push_back(pair_id(spec, "cls", where));
    out.suffix.push_back(pair_id(spec, "sep", where));
    if (type == "RobertaProcessing") {
      out.trims_offsets |= field_or(spec, "trim_offsets", true, where);
      out.keeps_prefix_space = field_or(spec, "add_prefix_space", true, where);
    }
  } else {
    throw FormatError("{}: post-processor type '{}' is not supported", where, type);
  }
}

}  // namespace

PostProcessor PostProcessor::from_json(const TokenizerJson& spec, std::string_view where) {
  PostProcessor result;
  for_each_step(
      spec, "post-processor", "processors", where,
      [&](const auto& step, const std::string& type) { add_processor(step, type, where, result); });
  return result;
}

void PostProcessor::trim_offsets(Encoding& encoding) const {
  if (!trims_offsets) return;
  const auto is_space = [](char32_t c) { return c == byte_alphabet()[' '] || is_whitespace(c); };
  for (size_t i = 0; i < encoding.offsets.size(); ++i) {
    const std::u32string chars = to_chars(encoding.pieces[i]);
    auto leading = std::find_if_not(chars.begin(), chars.end(), is_space) - chars.begin();
    const auto trailing = std::find_if_not(chars.rbegin(), chars.rend(), is_space) - chars.rbegin();
    TokenSpan& span = encoding.offsets[i];
    if (leading > 0) {
      if ((i == 0 || span.begin == 0) && keeps_prefix_space) --leading;
      span.begin = std::min(span.begin + leading, span.end);
    }
    if (trailing > 0 && span.end >= trailing) span.end = std::max(span.end - trailing, span.begin);
  }
}

}  // namespace tandem
