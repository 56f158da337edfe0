// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "learn/model.h"
#include "learn/ops/key_ranges.h"

namespace tandem::learn {

// Which inputs a wanted position of a window sees: the items up to itself, and no padding. Padding
// (input 0) may stand at a row's start; there the range is empty, begin = end = the position behind
// it, and it is the model's to say what it means. ShapeError, naming the model, for padding after
// an item.
KeyRanges item_ranges(std::string_view model, const PackedBatch& batch, const at::Tensor& wanted);

// The position slot of each input, [P] on the inputs' device: a row of T inputs takes the last T of
// L slots, as if it were padded on the left. ShapeError, naming the model, for a longer row.
at::Tensor last_slots(std::string_view model, const PackedBatch& batch, int64_t slots);

}  // namespace tandem::learn
