// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "learn/lora/lora.h"
#include "learn/modules/dropout_sites.h"
#include "learn/ops/frozen_weight.h"

namespace tandem::learn {

// A linear layer of a language model: trained, or frozen as it is stored, with an adapter beside it
// if it has one:
//
//     y = x W^T + b + scale dropout(x) A^T B^T
struct Projection {
  std::string module = {};      // "model.layers.0.self_attn.q_proj", its adapter's dropout site
  at::Tensor weight = {};       // [O, I] float32 when trained, else undefined
  FrozenWeightPtr frozen = {};  // when not trained
  at::Tensor bias = {};         // [O] float32 or undefined
  std::optional<LoraAdapter> adapter = {};

  // x [Q, I] float32 or bfloat16 -> [Q, O] of the same type. inputs: the adapter's dropout.
  at::Tensor forward(const at::Tensor& x, const DropoutSites& inputs) const;
};

}  // namespace tandem::learn
