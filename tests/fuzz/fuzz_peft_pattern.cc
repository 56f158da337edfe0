// SPDX-License-Identifier: Apache-2.0
// The input is a pattern of adapter_config.json, a zero byte, and a module's name. Whatever the
// bytes: an Error or an answer, in bounded time. Both come from JSON, hence are UTF-8.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "formats/peft_pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const char c : input)
    if (static_cast<unsigned char>(c) >= 0x80) return 0;
  const size_t cut = input.find('\0');
  const std::string_view module =
      cut == std::string_view::npos ? "model.layers.0.self_attn.q_proj" : input.substr(cut + 1);
  try {
    tandem::peft_pattern_matches(input.substr(0, cut), module);
  } catch (const tandem::Error&) {
  }
  return 0;
}
