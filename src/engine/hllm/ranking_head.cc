// SPDX-License-Identifier: Apache-2.0
#include "engine/hllm/ranking_head.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/silu.h"
#include "engine/ops/unit_row.h"

namespace tandem::engine {

RankingHead::RankingHead(const HllmFiles& files)
    : ranking_(files.config.ranking), width_(files.config.width) {
  const std::vector<std::vector<float>>& values = files.ranking;
  if (ranking_ == HllmRanking::kLate) {
    user_token_ = values[0];
    inner_ = PackedMatrix(values[1].data(), width_, 3 * width_, 3 * width_);
    inner_bias_ = values[2];
  }
  if (ranking_ == HllmRanking::kNone) return;
  outer_ = values[values.size() - 2];
  outer_bias_ = values.back()[0];
}

float RankingHead::late(const float* user, const float* item) const {
  std::vector<float> x(3 * width_), inner(width_);
  float *u = x.data(), *e = u + width_, *product = e + width_;
  std::copy_n(user, width_, u);
  std::copy_n(item, width_, e);
  make_unit(u, width_);
  make_unit(e, width_);
  const float root = std::sqrt(static_cast<float>(width_));
  for (int64_t d = 0; d < 2 * width_; ++d) x[d] *= root;
  for (int64_t d = 0; d < width_; ++d) product[d] = u[d] * e[d];
  inner_.multiply(x.data(), 3 * width_, 1, inner_bias_.data(), inner.data(), width_);
  for (float& value : inner) value = silu(value);
  return early(inner.data());
}

float RankingHead::early(const float* state) const {
  return chained_dot(state, outer_.data(), width_) + outer_bias_;
}

}  // namespace tandem::engine
