// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "study/study_config.h"
#include "study/yaml_reader.h"

namespace tandem {

// The named parts of a study's file (docs/study.md). ConfigError with file, line and what was
// expected.

// Names become folders.
void check_name(const YamlReader& reader, const YAML::Node& node, const std::string& name);
StudyDataset read_dataset(const YamlReader& reader, const std::string& name,
                          const YAML::Node& node);
StudyBase read_base(const YamlReader& reader, const std::string& name, const YAML::Node& node);
StudyArm read_arm(const YamlReader& reader, const std::string& name, const YAML::Node& node);

}  // namespace tandem
