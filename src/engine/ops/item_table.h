// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/kernels/packed_matrix.h"
#include "models/retriever_weights.h"

namespace tandem::engine {

// Item vectors [N + 1, D] of models whose table may be narrower than the model
// (models/projected_items.h).
PackedMatrix projected_items(const RetrieverWeights& weights);

}  // namespace tandem::engine
