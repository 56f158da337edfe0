// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "core/file.h"

namespace tandem {

// A training run's resolved configuration (config.yaml) as flat keys. FormatError.
std::map<std::string, std::string> read_run_config(const fs::path& run);

}  // namespace tandem
