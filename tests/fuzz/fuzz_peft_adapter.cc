// SPDX-License-Identifier: Apache-2.0
// The input is an adapter_config.json and an adapter_model.safetensors (see split_input). Whatever
// the bytes: an Error, or modules that can be read and checked against a model.
#include <cstddef>
#include <cstdint>

#include "core/error.h"
#include "fuzz/memory_folder.h"
#include "models/llama_adapter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const tandem::MemoryFolder folder;
  const auto [config, weights] = tandem::split_input(data, size);
  folder.write("adapter_config.json", config);
  folder.write("adapter_model.safetensors", weights);
  try {
    const tandem::PeftFolder adapter(folder.path());
    for (const tandem::PeftModule& module : adapter.modules()) {
      module.a.read();
      module.b.read();
    }
    adapter.config().to_json();
    tandem::check_adapter(adapter, tandem::llama_preset("tiny"));
  } catch (const tandem::Error&) {
  }
  return 0;
}
