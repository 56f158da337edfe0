// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/file.h"

namespace tandem {

// One schema of configuration keys bound to the fields of a plain struct. Sources in rising
// priority: the field's default, a YAML file (nested maps or dotted keys), `--set key=value`.
// Unknown keys are errors with a suggestion.
//
//   RetrieverConfig config;
//   ConfigSchema schema;
//   schema.add("train.lr", &config.lr, "learning rate");
//   schema.load_yaml(path);
//   schema.set("train.lr=1e-3");
class ConfigSchema {
 public:
  using Field = std::variant<std::string*, int64_t*, double*, bool*>;

  // choices, when given, are the only values a text key may take.
  void add(std::string key, Field field, std::string help, std::vector<std::string> choices = {});

  // Throws ConfigError naming the file, the key, what was found and what was expected.
  void load_yaml(const fs::path& path);
  void set(std::string_view assignment);

  // All keys with their present values, as YAML; loading it again gives the same values.
  std::string to_yaml() const;
  // One line a key: name, value, help.
  std::string help() const;

 private:
  struct Key {
    std::string name;
    Field field;
    std::string help;
    std::vector<std::string> choices;
  };
  void assign(std::string_view key, const std::string& value, std::string_view where);

  std::vector<Key> keys_;
};

// The candidate nearest to `word` by edit distance, or "" when none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace tandem
