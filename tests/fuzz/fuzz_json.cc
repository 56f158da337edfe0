// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "core/check.h"
#include "core/error.h"
#include "core/json.h"

// What is accepted can be written and is read back the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  Json value;
  try {
    value = parse_json({reinterpret_cast<const char*>(data), size}, "input");
  } catch (const Error&) {
    return 0;
  }
  const std::string text = value.dump();
  TANDEM_CHECK(parse_json(text, "output").dump() == text);
  try {
    json_get_or<int64_t>(value, "a", 0, "input");
    json_get_or<double>(value, "b", 0, "input");
    json_get_or<std::string>(value, "c", "", "input");
  } catch (const Error&) {
  }
  return 0;
}
