// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// Item vectors that are rows of a table, or a bias-free linear map of them to the model's width.
struct ItemTable {
  at::Tensor embedding;   // [N+1, D_item]
  at::Tensor projection;  // [D, D_item]; undefined: the rows as they are

  // Of items [Q] -> [Q, D]; only those are projected.
  at::Tensor vectors(const at::Tensor& items) const;
  at::Tensor all() const;  // [N+1, D]
};

}  // namespace tandem::learn
