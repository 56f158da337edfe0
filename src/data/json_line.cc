// SPDX-License-Identifier: Apache-2.0
#include "data/json_line.h"

#include <simdjson.h>

#include <charconv>
#include <deque>

#include "data/fields.h"
#include "data/python_literal.h"
#include "data/row_filter.h"

namespace tandem {
namespace {

// The first key of a Python dict is in single quotes, or u"in these".
bool is_python(std::string_view line) {
  if (!line.starts_with('{')) return false;
  const std::string_view key = trimmed(line.substr(1));
  return key.starts_with('\'') || key.starts_with("u'") || key.starts_with("u\"");
}

}  // namespace

struct JsonLine::State {
  simdjson::dom::parser parser{size_t{1} << 28};  // lines of at most 256 MiB
  simdjson::dom::object object;
  std::string padded;
  std::deque<std::string> numbers;
};

JsonLine::JsonLine() : state_(std::make_unique<State>()) {}
JsonLine::~JsonLine() = default;
JsonLine::JsonLine(JsonLine&&) noexcept = default;

void JsonLine::parse(std::string_view line) {
  if (is_python(line)) {
    const Json value = parse_python_literal(line);
    return parse_json(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  parse_json(line);
}

void JsonLine::parse_json(std::string_view line) {
  // simdjson reads a little beyond the text.
  state_->padded.assign(line);
  state_->padded.resize(line.size() + simdjson::SIMDJSON_PADDING, ' ');
  state_->numbers.clear();
  simdjson::dom::element root;
  if (const auto error = state_->parser.parse(state_->padded.data(), line.size(), false).get(root);
      error)
    throw BadLine{fmt::format("{} ({})", excerpt(line), simdjson::error_message(error)),
                  "a JSON object"};
  if (root.get(state_->object) != simdjson::SUCCESS) throw BadLine{excerpt(line), "a JSON object"};
}

std::optional<std::string_view> JsonLine::text(std::string_view key) {
  simdjson::dom::element value;
  if (state_->object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null())
    return std::nullopt;
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) return text;
  if (int64_t number; value.get(number) == simdjson::SUCCESS)
    return state_->numbers.emplace_back(std::to_string(number));
  throw BadLine{fmt::format("\"{}\": {}", key, simdjson::minify(value)),
                fmt::format("text or a whole number for \"{}\"", key)};
}

std::optional<std::string_view> JsonLine::scalar(std::string_view key) {
  simdjson::dom::element value;
  if (state_->object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null())
    return std::nullopt;
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) return text;
  if (value.is_number() || value.is_bool())
    return state_->numbers.emplace_back(simdjson::minify(value));
  throw BadLine{fmt::format("\"{}\": {}", key, excerpt(simdjson::minify(value))),
                fmt::format("text or a number for \"{}\"", key)};
}

std::optional<double> JsonLine::real(std::string_view key) {
  simdjson::dom::element value;
  if (state_->object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null())
    return std::nullopt;
  if (double number; value.get(number) == simdjson::SUCCESS) return number;
  if (std::string_view text; value.get(text) == simdjson::SUCCESS)
    return static_cast<double>(parse_rating(text));
  throw BadLine{fmt::format("\"{}\": {}", key, simdjson::minify(value)),
                fmt::format("a number for \"{}\"", key)};
}

std::optional<ExactTime> JsonLine::time(std::string_view key) {
  simdjson::dom::element value;
  if (state_->object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null())
    return std::nullopt;
  if (int64_t number; value.get(number) == simdjson::SUCCESS) return ExactTime{.whole = number};
  // The shortest text that gives the double is the one that the file has, up to its digits.
  if (double number; value.get(number) == simdjson::SUCCESS)
    return parse_time(fmt::format("{}", number));
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    if (is_missing(text)) return std::nullopt;
    return parse_time(text);
  }
  throw BadLine{fmt::format("\"{}\": {}", key, excerpt(simdjson::minify(value))),
                fmt::format("a number or a date for \"{}\"", key)};
}

std::vector<std::string> JsonLine::keys() const {
  std::vector<std::string> keys;
  for (const auto field : state_->object) keys.emplace_back(field.key);
  return keys;
}

std::string text_of(const Json& value, std::string_view separator) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  std::string result;
  if (!value.is_array()) return result;
  for (const Json& part : value) {
    const std::string text = text_of(part, separator);
    if (text.empty()) continue;
    if (!result.empty()) result += separator;
    result += text;
  }
  return result;
}

}  // namespace tandem
