// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "learn/model.h"

namespace tandem::learn {

// What HLLM's User LLM adds to its inputs for their times: models/time_embedding.h. Differentiable
// in its parameters.
class TimeEmbedding {
 public:
  // New parameters: tables N(0, .02^2), the first layer N(0, 1 / columns), and zeros in the second
  // one, so that a training begins with the model that has no times. A pure function of the seed.
  TimeEmbedding(int64_t table_width, int64_t width, uint64_t seed);
  // Those of a run, float32 in the order of time_parameters().
  TimeEmbedding(int64_t table_width, int64_t width, std::span<const std::vector<float>> values);

  // In the order of time_parameters().
  std::vector<NamedParameter>& parameters() { return parameters_; }
  const std::vector<NamedParameter>& parameters() const { return parameters_; }

  // x [P, D] with the vectors of the times that are known added. times [P] int64 on the CPU,
  // seconds since 1970, 0: not known. DataError for a time outside the tables.
  at::Tensor added_to(const at::Tensor& x, const at::Tensor& times) const;

 private:
  std::vector<NamedParameter> parameters_;
};

}  // namespace tandem::learn
