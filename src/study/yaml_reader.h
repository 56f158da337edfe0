// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/spelling.h"
#include "study/study_config.h"

namespace tandem {

// Walks the file and says where a mistake stands.
class YamlReader {
 public:
  YamlReader(std::string file, fs::path folder)
      : file_(std::move(file)), folder_(std::move(folder)) {}

  std::string where(const YAML::Node& node) const {
    const YAML::Mark mark = node.Mark();
    return mark.is_null() ? file_ : fmt::format("{}:{}", file_, mark.line + 1);
  }

  std::string text(const YAML::Node& node, std::string_view what) const {
    if (!node.IsScalar()) throw ConfigError("{}: {} must be one value", where(node), what);
    return node.Scalar();
  }

  template <typename T>
  T number(const YAML::Node& node, std::string_view what) const {
    const std::string word = text(node, what);
    T value{};
    const char* begin = word.data() + (word.starts_with('+') ? 1 : 0);
    const char* end = word.data() + word.size();
    const auto [rest, error] = std::from_chars(begin, end, value);
    if (error != std::errc() || rest != end || begin == end)
      throw ConfigError("{}: {} is '{}', expected a number", where(node), what, word);
    return value;
  }

  fs::path path(const std::string& text) const {
    return fs::absolute(folder_ / text).lexically_normal();
  }

  using Entry = std::function<void(const YAML::Node& value)>;
  // Calls the reader of each key of a map; other keys are errors.
  void map(const YAML::Node& node, std::string_view what,
           const std::vector<std::pair<std::string, Entry>>& keys) const {
    each(node, what, [&](const std::string& name, const YAML::Node& key, const YAML::Node& value) {
      const auto found =
          std::ranges::find(keys, name, [](const auto& known) { return known.first; });
      if (found == keys.end()) {
        std::vector<std::string> names;
        for (const auto& known : keys) names.push_back(known.first);
        const std::string near = nearest_word(name, names);
        throw ConfigError("{}: unknown key '{}' in {}{}; there are {}", where(key), name, what,
                          near.empty() ? "" : fmt::format(", did you mean '{}'?", near),
                          fmt::join(names, ", "));
      }
      found->second(value);
    });
  }

  // Calls read(name, key node, value) for every entry, in the file's order.
  template <typename Read>
  void each(const YAML::Node& node, std::string_view what, const Read& read) const {
    if (node.IsNull()) return;
    if (!node.IsMap()) throw ConfigError("{}: {} must be a map", where(node), what);
    std::vector<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar())
        throw ConfigError("{}: a key of {} is not a plain word", where(entry.first), what);
      const std::string& name = entry.first.Scalar();
      if (std::ranges::find(seen, name) != seen.end())
        throw ConfigError("{}: '{}' stands twice in {}", where(entry.first), name, what);
      seen.push_back(name);
      read(name, entry.first, entry.second);
    }
  }

  StudySettings settings(const YAML::Node& node, std::string_view what) const {
    StudySettings settings;
    each(node, what, [&](const std::string& name, const YAML::Node&, const YAML::Node& value) {
      if (name != "datasets") return flatten(name, value, what, 0, settings.common);
      each(value, "datasets",
           [&](const std::string& dataset, const YAML::Node&, const YAML::Node& changes) {
             each(changes, dataset,
                  [&](const std::string& key, const YAML::Node&, const YAML::Node& changed) {
                    flatten(key, changed, what, 0, settings.of_dataset[dataset]);
                  });
           });
    });
    return settings;
  }

 private:
  static constexpr int kMaxDepth = 16;

  void flatten(const std::string& key, const YAML::Node& value, std::string_view what, int depth,
               Settings& into) const {
    if (depth > kMaxDepth) throw ConfigError("{}: nested too deep", where(value));
    if (!value.IsMap()) {
      into.emplace_back(key, text(value, fmt::format("{} of {}", key, what)));
      return;
    }
    each(value, key, [&](const std::string& name, const YAML::Node&, const YAML::Node& inner) {
      flatten(key + "." + name, inner, what, depth + 1, into);
    });
  }

  std::string file_;
  fs::path folder_;
};

}  // namespace tandem
