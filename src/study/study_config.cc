// SPDX-License-Identifier: Apache-2.0
#include "study/study_config.h"

#include <algorithm>

#include "core/error.h"

namespace tandem {

Settings merged(const Settings& a, const Settings& b) {
  Settings result = a;
  for (const auto& [key, value] : b) {
    const auto found = std::ranges::find(result, key, [](const auto& pair) { return pair.first; });
    if (found == result.end()) {
      result.emplace_back(key, value);
    } else {
      found->second = value;
    }
  }
  return result;
}

std::optional<std::string> find_setting(const Settings& settings, std::string_view key) {
  for (auto at = settings.rbegin(); at != settings.rend(); ++at) {
    if (at->first == key) return at->second;
  }
  return std::nullopt;
}

Settings StudySettings::for_dataset(const std::string& dataset) const {
  const auto found = of_dataset.find(dataset);
  return found == of_dataset.end() ? merged({}, common) : merged(common, found->second);
}

const std::map<std::string, double>* find_published(const PublishedFigures& figures,
                                                    const std::string& dataset,
                                                    const std::string& users,
                                                    const std::string& arm) {
  const auto of_dataset = figures.find(dataset);
  if (of_dataset == figures.end()) return nullptr;
  const auto of_users = of_dataset->second.find(users);
  if (of_users == of_dataset->second.end()) return nullptr;
  const auto of_arm = of_users->second.find(arm);
  return of_arm == of_users->second.end() ? nullptr : &of_arm->second;
}

const StudyBase& StudyConfig::base(const std::string& name) const {
  for (const StudyBase& base : bases) {
    if (base.name == name) return base;
  }
  throw ConfigError("there is no base '{}'", name);
}

}  // namespace tandem
