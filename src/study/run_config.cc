// SPDX-License-Identifier: Apache-2.0
#include "study/run_config.h"

#include <yaml-cpp/yaml.h>

#include "core/error.h"

namespace tandem {

std::map<std::string, std::string> read_run_config(const fs::path& run) {
  std::map<std::string, std::string> values;
  const fs::path path = run / "config.yaml";
  try {
    for (const auto& entry : YAML::Load(read_file(path)))
      values[entry.first.Scalar()] = entry.second.Scalar();
  } catch (const YAML::Exception& error) {
    throw FormatError("{}: {}", path.string(), error.what());
  }
  return values;
}

}  // namespace tandem
