// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "core/error.h"
#include "models/llama_config.h"

// A configuration is refused with an Error, or it is sane: its sizes add up without overflow and
// what is written from it is read as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  try {
    const Json json = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    const LlamaConfig config = LlamaConfig::from_json(json, "fuzz");
    TANDEM_CHECK(config.num_parameters() > 0);
    TANDEM_CHECK(config.flops_per_token(true) > 0);
    TANDEM_CHECK(config.kv_cache_bytes_per_token(4) > 0);
    for (const double f : config.inverse_frequencies()) TANDEM_CHECK(f >= 0);
    const Json written = config.to_json("float32");
    TANDEM_CHECK(LlamaConfig::from_json(written, "again").to_json("float32") == written);
  } catch (const Error&) {
  }
  return 0;
}
