// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/ops/layer_norm.h"
#include "models/retriever_weights.h"

namespace tandem::engine {

// A linear layer of a retriever, packed.
struct PackedLinear {
  PackedLinear() = default;
  // NAME.weight [outputs, inputs] and NAME.bias.
  PackedLinear(const RetrieverWeights& weights, const std::string& name);

  PackedMatrix weight;
  std::vector<float> bias;

  void forward(const float* x, int64_t rows, float* out) const;
};

// A copy of a parameter.
std::vector<float> parameter(const RetrieverWeights& weights, const std::string& name);
// NAME.weight and NAME.bias of a LayerNorm.
LayerNorm layer_norm_parameters(const RetrieverWeights& weights, const std::string& name,
                                float eps);

}  // namespace tandem::engine
