// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/item_table.h"

#include <vector>

#include "models/projected_items.h"

namespace tandem::engine {

PackedMatrix projected_items(const RetrieverWeights& weights) {
  const RetrieverModelConfig& config = weights.config();
  const int64_t rows = config.num_items + 1, width = config.width, narrow = config.item_width;
  const float* table = weights.values(kItemTableName).data();
  if (narrow == 0) return PackedMatrix(table, rows, width, width);
  const PackedMatrix projection(weights.values(kItemProjectionName).data(), width, narrow, narrow);
  std::vector<float> items(rows * width);
  projection.multiply(table, narrow, rows, nullptr, items.data(), width);
  return PackedMatrix(items.data(), rows, width, width);
}

}  // namespace tandem::engine
