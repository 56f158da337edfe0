// SPDX-License-Identifier: Apache-2.0
// What the checkers of the Llama family share: stored tensors, and the oracles' padded batches as
// packed rows.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "formats/safetensors.h"
#include "learn/llama/llama.h"
#include "oracle/report.h"

namespace tandem::learn {

inline at::Tensor stored_tensor(const TensorView& view) {
  at::ScalarType type = at::kFloat;
  if (view.dtype == DType::kF64) type = at::kDouble;
  if (view.dtype == DType::kBf16) type = at::kBFloat16;
  if (view.dtype == DType::kI64) type = at::kLong;
  return at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, type).clone();
}

// Largest difference over the largest wanted element.
inline double tensor_error(const at::Tensor& value, const at::Tensor& wanted) {
  const at::Tensor a = value.detach().to(at::kDouble).contiguous();
  const at::Tensor b = wanted.detach().to(at::kDouble).contiguous();
  const auto numbers = [](const at::Tensor& x) {
    return std::span(x.const_data_ptr<double>(), static_cast<size_t>(x.numel()));
  };
  return relative_to_max(numbers(a), numbers(b));
}

inline PackedTokens pack_sequence(const std::vector<int64_t>& tokens) {
  return {at::tensor(tokens, at::kLong),
          at::tensor(std::vector<int64_t>{0, static_cast<int64_t>(tokens.size())}, at::kLong)};
}

// The real tokens of a padded batch end to end. Transformers compares the logits at t with label
// t + 1.
struct PackedCase {
  PackedTokens packed;
  SupervisedPositions supervised;
  at::Tensor cells;  // [P] where in the [B, T] grid each packed position came from
};

inline PackedCase pack_batch(const Json& batch) {
  const auto ids = batch.at("input_ids").get<std::vector<std::vector<int64_t>>>();
  const auto mask = batch.at("attention_mask").get<std::vector<std::vector<int64_t>>>();
  const auto labels = batch.at("labels").get<std::vector<std::vector<int64_t>>>();
  std::vector<int64_t> tokens, starts{0}, cells, positions, wanted;
  for (size_t b = 0; b < ids.size(); ++b) {
    for (size_t t = 0; t < ids[b].size(); ++t) {
      if (mask[b][t] == 0) continue;
      if (t + 1 < ids[b].size() && labels[b][t + 1] >= 0) {
        positions.push_back(static_cast<int64_t>(tokens.size()));
        wanted.push_back(labels[b][t + 1]);
      }
      cells.push_back(static_cast<int64_t>(b * ids[b].size() + t));
      tokens.push_back(ids[b][t]);
    }
    starts.push_back(static_cast<int64_t>(tokens.size()));
  }
  return {{at::tensor(tokens, at::kLong), at::tensor(starts, at::kLong)},
          {at::tensor(positions, at::kLong), at::tensor(wanted, at::kLong)},
          at::tensor(cells, at::kLong)};
}

}  // namespace tandem::learn
