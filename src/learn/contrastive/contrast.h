// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "learn/ops/nce_loss.h"

namespace tandem::learn {

// ln(1 / .07), the logarithm of the inverse temperature that a training by contrast begins with.
double initial_log_scale();

// Which negatives are none (learn/ops/nce_loss.h).
struct NceFilter {
  double threshold = 0.99;
  bool by_id = true;  // those that are the target itself by their number, too
};

// Sums over positions.
struct ContrastFigures {
  double loss = 0, survivors = 0, first = 0;  // first: positions where no negative scores higher
  int64_t positions = 0;
  double judgement = 0;  // a loss of judged candidates beside it, already weighted

  void add(const ContrastFigures& other);
};

// The loss of some positions.
struct Contrast {
  at::Tensor mean;  // [], over the positions; differentiable
  ContrastFigures figures;
};
Contrast contrast(const NceInput& input);

// Forward and backward pass of the loss: adds weight x the gradient of the loss, summed over the
// positions, to what the input was made of.
ContrastFigures add_contrast_gradients(const NceInput& input, double weight);

}  // namespace tandem::learn
