// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace tandem {

// The stored name of an observed value: "hidden.len17.1", "layer0.q_proj.len17", ...
inline std::string stored_name(const std::string& observed, const std::string& sequence,
                               int64_t layers) {
  if (observed == "embedding") return "hidden." + sequence + ".0";
  if (observed == "norm") return "hidden." + sequence + ".norm";
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = fmt::format("layers.{}", layer);
    if (observed == prefix) return fmt::format("hidden.{}.{}", sequence, layer + 1);
    if (!observed.starts_with(prefix + ".")) continue;
    const std::string what = observed.substr(prefix.size() + 1);
    if (what == "attention") return fmt::format("attention.{}.{}", sequence, layer);
    return fmt::format("layer{}.{}.{}", layer, what, sequence);
  }
  return "";
}

}  // namespace tandem
