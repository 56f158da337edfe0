// SPDX-License-Identifier: Apache-2.0
#include "core/check.h"
#include "core/error.h"
#include "formats/pickle.h"
#include "formats/torch_pickle.h"
#include "fuzz/memory_file.h"

// The input is read as a whole file, and as the bare program inside one: the fuzzer seldom keeps an
// archive whole.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  try {
    const MemoryFile input(data, size);
    const TorchPickleFile file(input.path());
    uint64_t sum = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      TANDEM_CHECK(tensor.count() * dtype_bytes(tensor.dtype) ==
                   static_cast<int64_t>(tensor.bytes.size()));
      for (const std::byte byte : tensor.bytes) sum += static_cast<uint64_t>(byte);
    }
    TANDEM_CHECK(sum != UINT64_MAX);
  } catch (const Error&) {
  }
  try {
    const Pickle pickle({reinterpret_cast<const char*>(data), size}, "input");
    TANDEM_CHECK(pickle.root < pickle.values.size());
    for (const PickleValue& value : pickle.values) {
      for (const PickleRef item : value.items) TANDEM_CHECK(item < pickle.values.size());
    }
  } catch (const Error&) {
  }
  return 0;
}
