// SPDX-License-Identifier: Apache-2.0
// The input is a GGUF file. Whatever the bytes: an Error or a tokenizer that encodes.
#include <cstddef>
#include <cstdint>

#include "core/error.h"
#include "fuzz/memory_file.h"
#include "tokenizer/loaders.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const tandem::MemoryFile file(data, size);
  try {
    const auto tokenizer = tandem::load_gguf_tokenizer(file.path());
    const auto encoding = tokenizer->encode_with_offsets(
        "a b<s> \xC3\xA9", {.add_special = true, .parse_special = true});
    tokenizer->decode(encoding.ids);
  } catch (const tandem::Error&) {
  }
  return 0;
}
