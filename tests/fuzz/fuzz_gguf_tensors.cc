// SPDX-License-Identifier: Apache-2.0
// The input is a GGUF file. Whatever the bytes: an Error, or tensors and a Llama that can be read.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/error.h"
#include "formats/gguf_file.h"
#include "fuzz/memory_file.h"
#include "models/llama_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const tandem::MemoryFile memory(data, size);
  try {
    const tandem::GgufFile file(memory.path());
    for (const auto& [name, tensor] : file.tensors()) {
      // At most what the file has bytes for, times the densest type's expansion.
      std::vector<float> row(tensor.columns());
      const int64_t rows = tensor.count() / tensor.columns();
      tensor.dequantize_rows(0, 1, row.data());
      tensor.dequantize_rows(rows - 1, 1, row.data());
    }
    const auto source = tandem::open_llama(memory.path());
    for (const tandem::TensorSpec& spec : tandem::llama_tensors(source->config()))
      source->tensor(spec).read();
  } catch (const tandem::Error&) {
  }
  return 0;
}
