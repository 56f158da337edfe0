// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::learn {

// Which projections get an adapter and of what size, as PEFT's LoraConfig says it.
struct LoraConfig {
  int64_t rank = 8;
  double alpha = 32;
  double dropout = 0.05;  // on the adapter's input
  // Last parts of module names: "q_proj", "v_proj", ...
  std::vector<std::string> targets = {"q_proj", "v_proj"};

  double scale() const { return alpha / static_cast<double>(rank); }
  bool is_target(std::string_view module) const;  // "model.layers.0.self_attn.q_proj"
  void validate() const;                          // throws ConfigError
};

// What LoRA (Hu et al., 2022) adds to a projection:  scale B A dropout(x)
//
//   a [r, I], b [O, r]   float32 leaves of autograd
struct LoraAdapter {
  at::Tensor a, b;
  double scale = 1;
};

// A by Kaiming's uniform rule with a = sqrt(5), U(-1/sqrt(I), 1/sqrt(I)), as PEFT; B zero. Row r of
// A is drawn with (seed, kInit, the module's name, r).
LoraAdapter new_lora_adapter(int64_t inputs, int64_t outputs, const LoraConfig& config,
                             std::string_view module, uint64_t seed);

// base + scale b a, [O, I] float32: the weight that acts as base and adapter do.
at::Tensor merged_weight(const at::Tensor& base, const LoraAdapter& adapter);

}  // namespace tandem::learn
