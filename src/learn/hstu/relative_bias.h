// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "learn/model.h"
#include "learn/ops/key_ranges.h"

namespace tandem::learn {

// Which rows of the tables each pair of a query and a key takes, [pairs] int64: queries in order,
// each with its keys ascending, as silu_attention() wants its bias.
struct BiasRows {
  at::Tensor position, time;
};

// ranges: causal, a query being the last position that it sees. L = max_length. ShapeError when the
// batch has no times.
BiasRows bias_rows(const PackedBatch& batch, const KeyRanges& ranges, int64_t max_length);

// One layer's tables (models/relative_bias.h).
struct RelativeBias {
  at::Tensor position, time;  // [2 L - 1], [129]

  at::Tensor of(const BiasRows& rows) const;  // [pairs], differentiable
};

}  // namespace tandem::learn
