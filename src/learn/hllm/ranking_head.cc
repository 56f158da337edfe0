// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/ranking_head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/silu.h>

#include <cmath>

#include "learn/hllm/stored_parameters.h"
#include "learn/ops/linear.h"
#include "learn/ops/nce_loss.h"
#include "learn/parameter_init.h"

namespace tandem::learn {

RankingHead::RankingHead(HllmRanking ranking, int64_t width, uint64_t seed) : ranking_(ranking) {
  const ParameterInit init(seed);
  for (const TensorSpec& spec : ranking_parameters(ranking, width)) {
    at::Tensor value = init.constant(spec.shape, 0);
    if (spec.name == "user_token") value = init.unit_normal(spec.name, spec.shape) * 0.02;
    if (spec.name == "ranking_head.0.weight")
      value = init.unit_normal(spec.name, spec.shape) /
              std::sqrt(static_cast<double>(spec.shape.back()));
    parameters_.push_back({spec.name, value});
  }
}

RankingHead::RankingHead(HllmRanking ranking, int64_t width,
                         std::span<const std::vector<float>> values)
    : ranking_(ranking),
      parameters_(stored_parameters(ranking_parameters(ranking, width), values)) {}

at::Tensor RankingHead::late(const at::Tensor& users, const at::Tensor& items) const {
  const double root = std::sqrt(static_cast<double>(users.size(1)));
  const at::Tensor u = unit_rows(users) * root, x = unit_rows(items) * root;
  const at::Tensor inner =
      linear(at::cat({u, x, u * x}, 1), parameters_[1].value, parameters_[2].value);
  return linear(at::silu(inner), parameters_[3].value, parameters_[4].value).squeeze(1);
}

at::Tensor RankingHead::early(const at::Tensor& states) const {
  return linear(states, parameters_[0].value, parameters_[1].value).squeeze(1);
}

}  // namespace tandem::learn
