// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/packed_linear.h"

namespace tandem::engine {

PackedLinear::PackedLinear(const RetrieverWeights& weights, const std::string& name)
    : bias(parameter(weights, name + ".bias")) {
  const std::span<const float> values = weights.values(name + ".weight");
  const int64_t outputs = std::ssize(bias), inputs = std::ssize(values) / outputs;
  weight = PackedMatrix(values.data(), outputs, inputs, inputs);
}

void PackedLinear::forward(const float* x, int64_t rows, float* out) const {
  weight.multiply(x, weight.columns(), rows, bias.data(), out, weight.rows());
}

std::vector<float> parameter(const RetrieverWeights& weights, const std::string& name) {
  const std::span<const float> values = weights.values(name);
  return {values.begin(), values.end()};
}

LayerNorm layer_norm_parameters(const RetrieverWeights& weights, const std::string& name,
                                float eps) {
  return {parameter(weights, name + ".weight"), parameter(weights, name + ".bias"), eps};
}

}  // namespace tandem::engine
