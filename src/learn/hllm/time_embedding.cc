// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/time_embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

#include <array>
#include <cmath>
#include <string>

#include "learn/hllm/stored_parameters.h"
#include "learn/ops/linear.h"
#include "learn/parameter_init.h"
#include "models/time_embedding.h"

namespace tandem::learn {
namespace {

constexpr size_t kLayers = kTimeTables.size();

}  // namespace

TimeEmbedding::TimeEmbedding(int64_t table_width, int64_t width, uint64_t seed) {
  const ParameterInit init(seed);
  for (const TensorSpec& spec : time_parameters(table_width, width)) {
    at::Tensor value = init.constant(spec.shape, 0);
    const size_t place = parameters_.size();
    if (place < kLayers) value = init.unit_normal(spec.name, spec.shape) * 0.02;
    if (place == kLayers)
      value = init.unit_normal(spec.name, spec.shape) /
              std::sqrt(static_cast<double>(spec.shape.back()));
    parameters_.push_back({spec.name, value});
  }
}

TimeEmbedding::TimeEmbedding(int64_t table_width, int64_t width,
                             std::span<const std::vector<float>> values)
    : parameters_(stored_parameters(time_parameters(table_width, width), values)) {}

at::Tensor TimeEmbedding::added_to(const at::Tensor& x, const at::Tensor& times) const {
  std::array<std::vector<int64_t>, kLayers> rows;
  std::vector<int64_t> known;
  const int64_t* time = times.const_data_ptr<int64_t>();
  for (int64_t p = 0; p < times.numel(); ++p) {
    if (time[p] == 0) continue;
    known.push_back(p);
    const TimeFields fields = time_rows(time[p]);
    for (size_t i = 0; i < kLayers; ++i) rows[i].push_back(fields[i]);
  }
  if (known.empty()) return x;
  const auto places = [&](const std::vector<int64_t>& list) {
    return at::tensor(list, at::kLong).to(x.device());
  };
  std::vector<at::Tensor> fields;
  for (size_t i = 0; i < kLayers; ++i)
    fields.push_back(parameters_[i].value.index_select(0, places(rows[i])));
  const auto layer = [&](size_t number, const at::Tensor& input) {
    const size_t weight = kLayers + 2 * number;
    return linear(input, parameters_[weight].value, parameters_[weight + 1].value);
  };
  const at::Tensor vectors = layer(1, at::silu(layer(0, at::cat(fields, 1))));
  return x.index_add(0, places(known), vectors.to(x.scalar_type()));
}

}  // namespace tandem::learn
