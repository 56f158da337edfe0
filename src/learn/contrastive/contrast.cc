// SPDX-License-Identifier: Apache-2.0
#include "learn/contrastive/contrast.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace tandem::learn {

double initial_log_scale() { return std::log(1 / 0.07); }

void ContrastFigures::add(const ContrastFigures& other) {
  loss += other.loss;
  survivors += other.survivors;
  first += other.first;
  positions += other.positions;
  judgement += other.judgement;
}

Contrast contrast(const NceInput& input) {
  const NceLoss found = nce_loss(input);
  const int64_t positions = input.users.size(0);
  const auto count = static_cast<double>(positions);
  return {.mean = found.loss,
          .figures = {.loss = found.loss.item<double>() * count,
                      .survivors = found.survivors * count,
                      .first = static_cast<double>(found.ranks.eq(1).sum().item<int64_t>()),
                      .positions = positions}};
}

ContrastFigures add_contrast_gradients(const NceInput& input, double weight) {
  const Contrast found = contrast(input);
  found.mean.mul(weight * static_cast<double>(found.figures.positions)).backward();
  return found.figures;
}

}  // namespace tandem::learn
