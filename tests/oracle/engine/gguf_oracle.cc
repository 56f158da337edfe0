// SPDX-License-Identifier: Apache-2.0
// GGUF: every element type against ggml, whole models against transformers.
#include <fmt/format.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/json.h"
#include "formats/ggml_blocks.h"
#include "formats/safetensors.h"
#include "oracle/engine/ggml_quantize.h"
#include "oracle/report.h"

namespace tandem {
namespace {

template <typename T>
bool same_bytes(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// <type>.raw and <type>.dequant; where there is a source, the raw bytes are made from it too.
void check_blocks(const SafetensorsFile& file, OracleReport& report) {
  report.part(file.path().stem().string());
  for (const auto& [name, raw] : file.tensors()) {
    if (!name.ends_with(".raw")) continue;
    const std::string type_name = name.substr(0, name.size() - 4);
    const auto type = ggml_type_named(type_name);
    if (!type) {
      report.fail(name, "not a type that is read");
      continue;
    }
    const std::span<const float> wanted = file.at(type_name + ".dequant").as<float>();
    std::vector<float> values(raw.bytes.size() / static_cast<size_t>(type->block_bytes) *
                              static_cast<size_t>(type->block));
    ggml_dequantize(type->type, raw.bytes, values.data());
    report.equal(type_name + ".dequant", same_bytes<float>(values, wanted),
                 fmt::format("{} values", wanted.size()));
    if (!file.contains("source")) continue;
    const auto bytes = GgmlQuantizer::quantize(type->type, file.at("source").as<float>());
    if (bytes)
      report.equal(name, same_bytes<std::byte>(*bytes, raw.bytes),
                   fmt::format("{} bytes", raw.bytes.size()));
  }
}

void check_gguf(const fs::path& folder, OracleReport& report) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors") && !name.ends_with(".expected.safetensors"))
      check_blocks(SafetensorsFile(entry.path()), report);
  }
}

const OracleChecker gguf("gguf", "engine", check_gguf);

}  // namespace
}  // namespace tandem
