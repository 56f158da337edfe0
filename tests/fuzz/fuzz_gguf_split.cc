// SPDX-License-Identifier: Apache-2.0
// The input is two parts of a GGUF model (see split_input). Whatever the bytes: an Error, or
// tensors that can be read from either name.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/error.h"
#include "formats/gguf_file.h"
#include "fuzz/memory_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const tandem::MemoryFolder folder;
  const auto [first, second] = tandem::split_input(data, size);
  constexpr const char* kNames[] = {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"};
  folder.write(kNames[0], first);
  folder.write(kNames[1], second);
  for (const char* name : kNames) {
    try {
      const tandem::GgufFile file(folder.path() / name);
      for (const auto& [tensor, view] : file.tensors()) {
        std::vector<float> row(view.columns());
        view.dequantize_rows(view.count() / view.columns() - 1, 1, row.data());
        file.file_of(tensor);
      }
    } catch (const tandem::Error&) {
    }
  }
  return 0;
}
