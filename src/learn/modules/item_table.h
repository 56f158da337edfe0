// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "learn/model.h"
#include "learn/parameter_init.h"

namespace tandem::learn {

// Item vectors that are rows of a table, or a bias-free linear map of them to the model's width.
struct ItemTable {
  at::Tensor embedding;   // [N+1, D_item]
  at::Tensor projection;  // [D, D_item]; undefined: the rows as they are

  // Of items [Q] -> [Q, D]; only those are projected.
  at::Tensor vectors(const at::Tensor& items) const;
  at::Tensor all() const;  // [N+1, D]
  // Under the names of models/projected_items.h.
  void add_to(std::vector<NamedParameter>& parameters) const;
};

// The table N(0, 0.02^2) cut at two deviations; where item_width is not 0, Glorot's uniform map to
// the width. Not yet parameters of autograd.
ItemTable new_item_table(int64_t num_items, int64_t width, int64_t item_width,
                         const ParameterInit& init);

}  // namespace tandem::learn
