// SPDX-License-Identifier: Apache-2.0
#include "learn/modules/item_table.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/matmul.h>

#include "models/projected_items.h"

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

void ItemTable::add_to(std::vector<NamedParameter>& parameters) const {
  parameters.push_back({kItemTableName, embedding});
  if (projection.defined()) parameters.push_back({kItemProjectionName, projection});
}

ItemTable new_item_table(int64_t num_items, int64_t width, int64_t item_width,
                         const ParameterInit& init) {
  ItemTable items;
  const int64_t columns = item_width > 0 ? item_width : width;
  items.embedding = init.normal(kItemTableName, {num_items + 1, columns});
  if (item_width > 0) items.projection = init.glorot(kItemProjectionName, width, columns);
  return items;
}

}  // namespace tandem::learn
