// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "eval/metrics.h"
#include "learn/trainer/task.h"

namespace tandem::learn {

// What a validation reports: eval/metrics.h at some cut-offs, one relevant item a user. Rank 0 is an
// item that was not ranked: a miss.
struct ValidationMetrics {
  int64_t users = 0;
  std::vector<std::pair<std::string, double>> values;  // "Recall@10", "NDCG@20", "MRR@5", ...

  double value(std::string_view name) const;  // ConfigError for another name
  Json to_json() const;
};

ValidationMetrics metrics_of_ranks(std::span<const int64_t> ranks,
                                   std::span<const int32_t> cutoffs = kDefaultCutoffs);

// What a ranking validation found: `metric` decides, and people are shown Recall and NDCG at the
// cut-offs `shown`. ConfigError for a metric that is not at one of `cutoffs`.
ValidationResult validation_result(std::span<const int64_t> ranks, std::string_view metric,
                                   std::initializer_list<int32_t> shown,
                                   std::span<const int32_t> cutoffs = kDefaultCutoffs);

}  // namespace tandem::learn
