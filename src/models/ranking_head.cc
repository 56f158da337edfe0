// SPDX-License-Identifier: Apache-2.0
#include "models/ranking_head.h"

#include "core/error.h"
#include "models/parameter_spec.h"

namespace tandem {

HllmRanking parse_hllm_ranking(std::string_view name) {
  if (name == "none") return HllmRanking::kNone;
  if (name == "late") return HllmRanking::kLate;
  if (name == "early") return HllmRanking::kEarly;
  throw ConfigError("ranking is '{}', expected none, late or early", name);
}

std::string_view hllm_ranking_name(HllmRanking ranking) {
  switch (ranking) {
    case HllmRanking::kLate:
      return "late";
    case HllmRanking::kEarly:
      return "early";
    case HllmRanking::kNone:
      break;
  }
  return "none";
}

std::vector<TensorSpec> ranking_parameters(HllmRanking ranking, int64_t width) {
  std::vector<TensorSpec> specs;
  if (ranking == HllmRanking::kLate) {
    specs.push_back({"user_token", {1, width}});
    add_linear(specs, "ranking_head.0", width, 3 * width);
    add_linear(specs, "ranking_head.2", 1, width);
  }
  if (ranking == HllmRanking::kEarly) add_linear(specs, "ranking_head", 1, width);
  return specs;
}

}  // namespace tandem
