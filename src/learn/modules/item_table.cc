// SPDX-License-Identifier: Apache-2.0
#include "learn/modules/item_table.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/matmul.h>

namespace tandem::learn {
namespace {

at::Tensor projected(const at::Tensor& rows, const at::Tensor& projection) {
  return projection.defined() ? at::matmul(rows, projection.t()) : rows;
}

}  // namespace

at::Tensor ItemTable::vectors(const at::Tensor& items) const {
  return projected(at::embedding(embedding, items), projection);
}

at::Tensor ItemTable::all() const { return projected(embedding, projection); }

}  // namespace tandem::learn
