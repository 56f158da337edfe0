// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace tandem::learn {

// Initial values of the parameters of LRURec, NARM, BERT4Rec and HSTU. Each parameter draws from its own
// stream, keyed by seed and name, so adding one does not change the others.
class ParameterInit {
 public:
  explicit ParameterInit(uint64_t seed) : seed_(seed) {}

  // N(0, 0.02^2) cut to [-0.04, 0.04].
  at::Tensor normal(std::string_view name, at::IntArrayRef shape) const;
  // N(0, 1).
  at::Tensor unit_normal(std::string_view name, at::IntArrayRef shape) const;
  // Glorot's uniform: [out, in], within sqrt(6 / (in + out)) of 0.
  at::Tensor glorot(std::string_view name, int64_t out, int64_t in) const;
  // LRURec's params_log [3, H]: |lambda| uniform by area on the ring 0.8..0.99, its angle on the
  // whole circle, and gamma = sqrt(1 - |lambda|^2), so that the state has the variance of its
  // input.
  at::Tensor ring(std::string_view name, int64_t channels) const;
  at::Tensor constant(at::IntArrayRef shape, float value) const;

 private:
  uint64_t seed_;
};

}  // namespace tandem::learn
