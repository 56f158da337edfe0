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
#include "learn/hllm/judgement.h"

namespace tandem::learn {

// What the positions of some rows are asked: one before each target. P positions end to end.
//
//   judged        the rows' histories; where the model judges, each row's last target, and then its
//                 negatives
//   targets       [P] places of what comes next
//   target_items  [P] the items themselves
struct HllmPositions {
  Judged judged;
  at::Tensor targets, target_items;
};

// The items of a step, each once and ascending, and the negatives of all its rows by place.
struct HllmItems {
  std::vector<int32_t> items;
  at::Tensor negatives, negative_items;  // [M]

  explicit HllmItems(std::span<const ContrastiveRow> rows);
  // Of some of the rows.
  HllmPositions positions(std::span<const ContrastiveRow> rows, bool judges) const;
};

// What the losses of a step weigh.
struct StepWeights {
  double position = 0;  // the contrast of one position
  double row = 0;       // the judgement of one row's candidates, a mean over them
};

// Forward and backward pass of the User LLM and the losses on some rows of a step: adds the gradient
// of
//
//     weights.position * sum over positions of the contrast (learn/ops/nce_loss.h)
//     + weights.row * sum over rows of the mean of  ln(1 + exp(-z(target))), ln(1 + exp(z(negative)))
//
// to the parameters' and the vectors' grad(); the second where the model judges candidates: the
// row's last target, and the negatives that the row drew. A contrast's negatives are those of the
// whole step.
//
//   vectors [n, D]  of items.items, a leaf
ContrastFigures add_position_gradients(const Hllm& model, const HllmItems& items,
                                       const at::Tensor& vectors,
                                       std::span<const ContrastiveRow> rows,
                                       const NceFilter& filter, const StepWeights& weights);

}  // namespace tandem::learn
