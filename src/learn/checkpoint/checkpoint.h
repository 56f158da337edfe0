// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "learn/model.h"

namespace tandem::learn {

// Writes tensors (float32, any device) as safetensors, whole or not at all; metadata holds texts
// only.
void save_tensors(const fs::path& path, std::span<const NamedParameter> tensors,
                  const Json& metadata = Json::object());

// Copies each named tensor's values from the file into the given one. FormatError when one is
// missing, has another shape or dtype, or when the file holds tensors that nobody asked for.
// Returns the metadata.
Json load_tensors(const fs::path& path, std::span<const NamedParameter> tensors);

}  // namespace tandem::learn
