// SPDX-License-Identifier: Apache-2.0
#include "oracle/learn/contrast_checks.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <limits>
#include <vector>

#include "eval/metrics.h"
#include "oracle/learn/tensors.h"

namespace tandem::learn {
namespace {

constexpr double kScoreLimit = 1e-5;
constexpr double kMetricLimit = 1e-6;  // recall and NDCG are stored with 7 decimals

}  // namespace

double logged_difference(double survivors, const at::Tensor& ranks, int64_t logits,
                         const Json& logged, const std::string& where) {
  double worst = std::abs(survivors / json_get<double>(logged, "nce_samples", where) - 1);
  for (const int64_t k : {1, 5, 10, 50}) {
    const std::string key = fmt::format("nce_top{}_acc", k);
    if (logged.contains(key) != (k <= logits)) return std::numeric_limits<double>::infinity();
    if (!logged.contains(key)) continue;
    const double found = ranks.le(k).to(at::kDouble).mean().item<double>();
    worst = worse(worst, std::abs(found - json_get<double>(logged, key.c_str(), where)));
  }
  return worst;
}

void check_ranking(at::Tensor scores, const SafetensorsFile& file, const std::string& split,
                   const Json& authors, OracleReport& report) {
  report.error(split + " scores", difference(scores, to_tensor(file, split + ".scores")),
               kScoreLimit);
  const at::Tensor excluded = to_tensor(file, split + ".excluded").to(at::kBool);
  scores = scores.masked_fill(excluded, -std::numeric_limits<float>::infinity()).contiguous();
  // Which of two items of nearly one score comes first is rounding: compare scores down the list.
  const at::Tensor stored = scores.gather(1, to_tensor(file, split + ".topk"));
  report.error(split + " scores down the list",
               difference(stored, std::get<0>(scores.topk(stored.size(1)))), kScoreLimit);
  const at::Tensor targets = to_tensor(file, split + ".target");
  std::vector<int32_t> ranks;
  for (int64_t row = 0; row < scores.size(0); ++row) {
    const auto target = targets[row].item<int64_t>();
    const at::Tensor score = scores[row];
    const bool out = excluded[row][target].item<bool>();  // can never be hit
    ranks.push_back(out ? 0
                        : 1 + static_cast<int32_t>(score.gt(score[target]).sum().item<int64_t>()));
  }
  double worst = 0;
  for (const auto& [name, wanted] : authors.items()) {
    const Metric metric{name.starts_with("recall") ? MetricKind::kRecall : MetricKind::kNdcg,
                        std::stoi(name.substr(name.find('@') + 1))};
    const double mean = means(user_values(ranks, std::vector{metric}))[0];
    worst = worse(worst, std::abs(mean - wanted.get<double>()));
  }
  report.error(split + " recall and NDCG", worst, kMetricLimit);
}

}  // namespace tandem::learn
