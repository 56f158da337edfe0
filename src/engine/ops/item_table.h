// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/kernels/packed_matrix.h"
#include "models/retriever_weights.h"

namespace tandem::engine {

// Item vectors [N + 1, D] of models whose table may be narrower than the model: `item_embedding`,
// where there is an item_width multiplied by the bias-free `item_id_proj_tower`.
PackedMatrix projected_items(const RetrieverWeights& weights);

}  // namespace tandem::engine
