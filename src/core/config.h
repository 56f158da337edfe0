// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/file.h"

namespace tandem {

// A setting that has another value than before, both as YAML writes them.
struct ChangedValue {
  std::string key, from, to;
};

// "train.max_steps (100 -> 200), seed (42 -> 43)"
std::string describe_changes(const std::vector<ChangedValue>& changes);

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
  // A field that holds which of a key's choices was taken.
  struct Choice {
    std::function<size_t()> get;
    std::function<void(size_t)> set;
  };
  using Field = std::variant<std::string*, int64_t*, double*, bool*, Choice>;

  struct Key {
    std::string name;
    Field field;
    std::string help;
    std::vector<std::string> choices;
    // Why a run that has begun keeps the value it began with; "": it may go on with another.
    std::function<std::string()> kept_because;

    // The work done so far does not depend on this key. With why_not, only when that gives "".
    void may_change(std::function<std::string()> why_not = [] { return std::string(); });
  };

  // choices, when given, are the only values a text key may take. A run keeps a key's value unless
  // may_change() is called on the result, which is valid until the next call.
  Key& add(std::string key, Field field, std::string help, std::vector<std::string> choices = {});
  // The same for a field of an enumeration, whose values the choices name.
  template <typename Enum>
  requires std::is_enum_v<Enum> Key& add(
      std::string key, Enum* field, std::string help,
      std::initializer_list<std::pair<const char*, Enum>> named) {
    std::vector<std::string> choices;
    std::vector<Enum> values;
    for (const auto& [name, value] : named) {
      choices.emplace_back(name);
      values.push_back(value);
    }
    const auto place = [field, values] {
      return static_cast<size_t>(std::find(values.begin(), values.end(), *field) - values.begin());
    };
    return add(std::move(key), Choice{place, [field, values](size_t i) { *field = values.at(i); }},
               std::move(help), std::move(choices));
  }

  // Throws ConfigError naming the file, the key, what was found and what was expected.
  void load_yaml(const fs::path& path);
  void set(std::string_view assignment);

  // All keys with their present values, as YAML; loading it again gives the same values.
  std::string to_yaml() const;
  // One line a key: name, value, help.
  std::string help() const;

  // The present values, for changes_since().
  std::vector<std::string> values() const;
  // What has another value now than when values() was called, in the keys' order. Throws
  // ConfigError naming every key that differs and a run must keep, with both values; `run` is the
  // run's name.
  std::vector<ChangedValue> changes_since(const std::vector<std::string>& before,
                                          std::string_view run) const;

 private:
  void assign(std::string_view key, const std::string& value, std::string_view where);

  std::vector<Key> keys_;
};

}  // namespace tandem
