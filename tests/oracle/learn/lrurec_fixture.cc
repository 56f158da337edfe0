// SPDX-License-Identifier: Apache-2.0
#include "oracle/learn/lrurec_fixture.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include "core/check.h"
#include "core/error.h"

namespace tandem::learn {

Packed pack(const at::Tensor& inputs, const at::Tensor& labels, bool whole) {
  Packed packed;
  packed.rows = inputs.size(0);
  packed.length = inputs.size(1);
  const int64_t* input = inputs.const_data_ptr<int64_t>();
  const int64_t* label = labels.const_data_ptr<int64_t>();
  std::vector<int64_t> place, starts = {0};
  for (int64_t row = 0; row < packed.rows; ++row) {
    int64_t k = row * packed.length;
    const int64_t end = k + packed.length;
    while (!whole && k + 1 < end && input[k] == 0 && label[k] == 0) ++k;
    for (; k < end; ++k) place.push_back(k);
    starts.push_back(static_cast<int64_t>(place.size()));
  }
  packed.place = at::tensor(place);
  packed.batch = {inputs.reshape({-1}).index_select(0, packed.place),
                  labels.reshape({-1}).index_select(0, packed.place), at::tensor(starts)};
  return packed;
}

at::Tensor at_places(const at::Tensor& padded, const Packed& packed) {
  return padded.reshape({-1, padded.size(2)}).index_select(0, packed.place);
}

at::Tensor FileMasks::keep(std::string_view site, int64_t rows, int64_t columns, double) const {
  const at::Tensor all = to_tensor(file_, "keep." + std::string(site));
  // The last L of the site's positions.
  const at::Tensor last = all.slice(1, all.size(1) - packed_.length).reshape({-1, columns});
  at::Tensor mask = last.index_select(0, packed_.place);
  TANDEM_CHECK(mask.size(0) == rows, "mask has {} rows, expected {}", mask.size(0), rows);
  return mask;
}

LruRec load_model(const SafetensorsFile& weights, double dropout) {
  const TensorView& table = weights.at("embedding.token.weight");
  LruRecConfig config{
      .num_items = table.shape.at(0) - 1, .width = table.shape.at(1), .num_blocks = 0};
  while (
      weights.contains(fmt::format("model.lru_blocks.{}.lru_layer.params_log", config.num_blocks)))
    ++config.num_blocks;
  config.dropout = config.recurrent_dropout = dropout;
  LruRec model(config, 0);
  at::NoGradGuard no_grad;
  size_t known = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    const at::Tensor value = to_tensor(weights, parameter.name);
    if (value.sizes() != parameter.value.sizes())
      throw ShapeError("{}: shapes differ", parameter.name);
    parameter.value.copy_(value);
    ++known;
  }
  if (known != weights.tensors().size())
    throw FormatError("{}: {} tensors, the model has {}", weights.path().string(),
                      weights.tensors().size(), known);
  return model;
}

}  // namespace tandem::learn
