// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "data/time_text.h"

namespace tandem {

// One JSON object a line, or one Python dict, read with simdjson. Reused from line to line; values
// are valid until the next parse().
class JsonLine {
 public:
  JsonLine();
  ~JsonLine();
  JsonLine(JsonLine&&) noexcept;

  // Throws BadLine when the line is not one object.
  void parse(std::string_view line);
  // The text of a string, or of a whole number, under the key; nothing when absent or null. Throws
  // BadLine for other types.
  std::optional<std::string_view> text(std::string_view key);
  // The same, and other numbers and true or false as they are written.
  std::optional<std::string_view> scalar(std::string_view key);
  std::optional<double> real(std::string_view key);
  // A number or a text as parse_time reads it; nothing when absent, null or missing as text.
  std::optional<ExactTime> time(std::string_view key);
  std::vector<std::string> keys() const;

 private:
  void parse_json(std::string_view line);

  struct State;
  std::unique_ptr<State> state_;
};

// Text of a JSON value: a string as it is; an array's texts, nested ones too, joined by the
// separator; a number as written; nothing for null, objects and booleans.
std::string text_of(const Json& value, std::string_view separator);

}  // namespace tandem
