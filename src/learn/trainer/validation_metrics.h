// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "eval/metrics.h"

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

}  // namespace tandem::learn
