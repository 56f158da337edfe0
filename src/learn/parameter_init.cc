// SPDX-License-Identifier: Apache-2.0
#include "learn/parameter_init.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/rng.h"
#include "learn/name_hash.h"

namespace tandem::learn {
namespace {

constexpr double kDeviation = 0.02, kCut = 2.0;  // the cut in deviations
constexpr double kInnerRadius = 0.8, kOuterRadius = 0.99;

Rng stream(uint64_t seed, std::string_view name) {
  return Rng(seed, RngPurpose::kInit, 0, name_hash(name));
}

}  // namespace

at::Tensor ParameterInit::normal(std::string_view name, at::IntArrayRef shape) const {
  Rng rng = stream(seed_, name);
  at::Tensor result = at::empty(shape, at::kFloat);
  float* values = result.data_ptr<float>();
  for (int64_t i = 0; i < result.numel(); ++i) {
    // Rejection: 4.6 % of the draws are taken again.
    double z = rng.normal();
    while (std::abs(z) > kCut) z = rng.normal();
    values[i] = static_cast<float>(kDeviation * z);
  }
  return result;
}

at::Tensor ParameterInit::unit_normal(std::string_view name, at::IntArrayRef shape) const {
  Rng rng = stream(seed_, name);
  at::Tensor result = at::empty(shape, at::kFloat);
  float* values = result.data_ptr<float>();
  for (int64_t i = 0; i < result.numel(); ++i) values[i] = static_cast<float>(rng.normal());
  return result;
}

at::Tensor ParameterInit::glorot(std::string_view name, int64_t out, int64_t in) const {
  Rng rng = stream(seed_, name);
  const double bound = std::sqrt(6.0 / static_cast<double>(in + out));
  at::Tensor result = at::empty({out, in}, at::kFloat);
  float* values = result.data_ptr<float>();
  for (int64_t i = 0; i < result.numel(); ++i)
    values[i] = static_cast<float>(bound * (2 * rng.uniform() - 1));
  return result;
}

at::Tensor ParameterInit::ring(std::string_view name, int64_t channels) const {
  Rng rng = stream(seed_, name);
  at::Tensor result = at::empty({3, channels}, at::kFloat);
  float* values = result.data_ptr<float>();
  constexpr double kInner = kInnerRadius * kInnerRadius, kOuter = kOuterRadius * kOuterRadius;
  for (int64_t c = 0; c < channels; ++c) {
    const double squared = rng.uniform() * (kOuter - kInner) + kInner;  // |lambda|^2
    const double angle = std::max(rng.uniform(), 0x1p-32) * 2 * std::numbers::pi;
    values[c] = static_cast<float>(std::log(-0.5 * std::log(squared)));
    values[channels + c] = static_cast<float>(std::log(angle));
    values[2 * channels + c] = static_cast<float>(std::log(std::sqrt(1 - squared)));
  }
  return result;
}

at::Tensor ParameterInit::constant(at::IntArrayRef shape, float value) const {
  return at::full(shape, value, at::kFloat);
}

}  // namespace tandem::learn
