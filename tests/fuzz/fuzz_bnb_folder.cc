// SPDX-License-Identifier: Apache-2.0
// The input is a config.json and a model.safetensors (see split_input) of a 4-bit folder. Whatever
// the bytes: an Error, or weights that can be read.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/error.h"
#include "formats/bnb_tensor.h"
#include "fuzz/memory_folder.h"
#include "models/llama_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const tandem::MemoryFolder folder;
  const auto [config, weights] = tandem::split_input(data, size);
  folder.write("config.json", config);
  folder.write("model.safetensors", weights);
  try {
    const tandem::HfFolder files(folder.path());
    for (const auto& [name, view] : files.tensors()) {
      if (!tandem::is_bnb_4bit(files, name)) continue;
      const tandem::Nf4Tensor weight = tandem::read_bnb_nf4(files, name);
      std::vector<float> values(weight.count());
      weight.dequantize(0, weight.count(), values.data());
    }
    tandem::open_llama(folder.path());
  } catch (const tandem::Error&) {
  }
  return 0;
}
