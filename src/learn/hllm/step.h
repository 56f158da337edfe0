// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "learn/contrastive/contrast.h"
#include "learn/contrastive/negatives.h"
#include "learn/hllm/hllm.h"
#include "learn/hllm/item_encoding.h"

namespace tandem::learn {

// What the positions of some rows are asked. P positions end to end, one before each target.
//
//   inputs, targets  [P]    places in a list of items: what is seen, and what comes next
//   target_items     [P]    the items themselves
//   times            [P]    when the inputs were, seconds since 1970
//   row_starts       [B+1]  of the rows that have a position
struct HllmPositions {
  at::Tensor inputs, targets, target_items, times, row_starts;
};

// The items of a step, each once and ascending, and the negatives of all its rows by place.
struct HllmItems {
  std::vector<int32_t> items;
  at::Tensor negatives, negative_items;  // [M]

  explicit HllmItems(std::span<const ContrastiveRow> rows);
  HllmPositions positions(std::span<const ContrastiveRow> rows) const;  // of some of the rows
};

// Forward and backward pass of the User LLM and the loss on some rows of a step: adds weight x the
// gradient of the loss, summed over the positions, to the parameters' and the vectors' grad(). The
// rows' negatives are those of the whole step.
//
//   vectors [n, D]  of items.items, a leaf
ContrastFigures add_position_gradients(const Hllm& model, const HllmItems& items,
                                       const at::Tensor& vectors,
                                       std::span<const ContrastiveRow> rows,
                                       const NceFilter& filter, double weight);

}  // namespace tandem::learn
