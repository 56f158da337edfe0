// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "models/parameter_spec.h"
#include "models/retriever_config.h"

namespace tandem {

// The item table of HLLM's ID baselines, under their authors' names: [N + 1, D], or with an
// item_width [N + 1, item_width] and a bias-free linear map [D, item_width] of its rows.
inline constexpr const char* kItemTableName = "item_embedding.weight";
inline constexpr const char* kItemProjectionName = "item_id_proj_tower.weight";

void add_projected_items(std::vector<TensorSpec>& specs, const RetrieverModelConfig& config);
// num_items and item_width of a bare checkpoint. FormatError.
void read_projected_items(const TensorShapes& shapes, std::string_view where,
                          RetrieverModelConfig& config);

}  // namespace tandem
