// SPDX-License-Identifier: Apache-2.0
#include "learn/lora/lora.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "learn/name_hash.h"

namespace tandem::learn {

bool LoraConfig::is_target(std::string_view module) const {
  return std::any_of(targets.begin(), targets.end(), [&](const std::string& target) {
    return module == target || module.ends_with("." + target);
  });
}

void LoraConfig::validate() const {
  if (rank < 1) throw ConfigError("lora: rank {}, expected at least 1", rank);
  if (!std::isfinite(alpha)) throw ConfigError("lora: alpha {}, expected a number", alpha);
  if (!(dropout >= 0 && dropout < 1))
    throw ConfigError("lora: dropout {}, expected 0 up to below 1", dropout);
  if (targets.empty()) throw ConfigError("lora: no target projections");
}

LoraAdapter new_lora_adapter(int64_t inputs, int64_t outputs, const LoraConfig& config,
                             std::string_view module, uint64_t seed) {
  at::Tensor a = at::empty({config.rank, inputs}, at::kFloat);
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  const uint64_t name = name_hash(module);
  for (int64_t row = 0; row < config.rank; ++row) {
    Rng rng(seed ^ name, RngPurpose::kInit, 0, static_cast<uint64_t>(row));
    float* out = a.data_ptr<float>() + row * inputs;
    for (int64_t i = 0; i < inputs; ++i)
      out[i] = static_cast<float>((2 * rng.uniform() - 1) * bound);
  }
  at::Tensor b = at::zeros({outputs, config.rank}, at::kFloat);
  a.set_requires_grad(true);
  b.set_requires_grad(true);
  return {a, b, config.scale()};
}

at::Tensor merged_weight(const at::Tensor& base, const LoraAdapter& adapter) {
  at::NoGradGuard no_grad;
  return at::mm(adapter.b, adapter.a).mul_(adapter.scale).add_(base);
}

}  // namespace tandem::learn
