// SPDX-License-Identifier: Apache-2.0
#include "models/projected_items.h"

namespace tandem {

void add_projected_items(std::vector<TensorSpec>& specs, const RetrieverModelConfig& config) {
  const bool narrow = config.item_width > 0;
  const int64_t columns = narrow ? config.item_width : config.width;
  specs.push_back({kItemTableName, {config.num_items + 1, columns}});
  if (narrow) specs.push_back({kItemProjectionName, {config.width, columns}});
}

void read_projected_items(const TensorShapes& shapes, std::string_view where,
                          RetrieverModelConfig& config) {
  const std::vector<int64_t>& table = matrix_shape(shapes, kItemTableName, where);
  config.num_items = table[0] - 1;
  config.item_width = shapes.contains(kItemProjectionName) ? table[1] : 0;
}

}  // namespace tandem
