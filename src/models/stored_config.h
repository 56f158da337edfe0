// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "core/error.h"

namespace tandem {

// A configuration that a file gave, validated: what is wrong in it is the file's fault. FormatError.
template <class Config>
Config checked_config(Config config, std::string_view where) {
  try {
    config.validate(where);
  } catch (const ConfigError& error) {
    throw FormatError("{}", error.what());
  }
  return config;
}

}  // namespace tandem
