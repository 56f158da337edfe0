// SPDX-License-Identifier: Apache-2.0
// The input is a tokenizer.json, a zero byte, and a text to encode with it. Whatever the bytes: an
// Error or ids that decode.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "tokenizer/loaders.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\0');
  const std::string_view json = input.substr(0, cut);
  const std::string_view text = cut == std::string_view::npos ? "a b<s>" : input.substr(cut + 1);
  try {
    const auto tokenizer = tandem::parse_tokenizer_json(json, "fuzz");
    const auto encoding =
        tokenizer->encode_with_offsets(text, {.add_special = true, .parse_special = true});
    tokenizer->decode(encoding.ids);
    tokenizer->encode(text);
  } catch (const tandem::Error&) {
  }
  return 0;
}
