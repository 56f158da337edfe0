// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/validation_metrics.h"

#include <fmt/ranges.h>

#include "core/error.h"

namespace tandem::learn {

double ValidationMetrics::value(std::string_view name) const {
  for (const auto& [known, value] : values)
    if (known == name) return value;
  std::vector<std::string> cutoffs;
  for (const auto& [known, value] : values)
    if (known.starts_with("Recall@")) cutoffs.push_back(known.substr(known.find('@') + 1));
  const std::string last = cutoffs.back();
  cutoffs.pop_back();
  throw ConfigError("valid.metric is '{}'; expected Recall, NDCG or MRR @{} or {}", name,
                    fmt::join(cutoffs, ", "), last);
}

Json ValidationMetrics::to_json() const {
  Json json{{"users", users}};
  for (const auto& [name, value] : values) json[name] = value;
  return json;
}

ValidationMetrics metrics_of_ranks(std::span<const int64_t> ranks,
                                   std::span<const int32_t> cutoffs) {
  const std::vector<Metric> metrics = ranking_metrics(cutoffs);
  const std::vector<int32_t> narrow(ranks.begin(), ranks.end());
  const std::vector<double> mean = means(user_values(narrow, metrics));
  ValidationMetrics result{.users = std::ssize(ranks), .values = {}};
  for (size_t m = 0; m < metrics.size(); ++m)
    result.values.emplace_back(metrics[m].name(), mean[m]);
  return result;
}

ValidationResult validation_result(std::span<const int64_t> ranks, std::string_view metric,
                                   std::initializer_list<int32_t> shown,
                                   std::span<const int32_t> cutoffs) {
  const ValidationMetrics metrics = metrics_of_ranks(ranks, cutoffs);
  ValidationResult result{.value = metrics.value(metric), .metrics = metrics.to_json()};
  for (const int32_t cutoff : shown) {
    for (const char* kind : {"Recall", "NDCG"}) {
      const std::string name = fmt::format("{}@{}", kind, cutoff);
      result.scalars.emplace_back(name, metrics.value(name));
    }
  }
  return result;
}

}  // namespace tandem::learn
