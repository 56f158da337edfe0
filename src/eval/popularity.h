// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tandem {

// The baseline that knows no user: score[item] = number of training interactions with the item, for
// the classes 0..num_items; class 0 (padding) scores 0. Exact up to 2^24 interactions an item.
// Counts tie often, so state the tie rule and the number of tied labels with its metrics. DataError
// for an item outside 0..num_items.
std::vector<float> popularity_scores(std::span<const std::span<const int32_t>> train_sequences,
                                     int32_t num_items);

}  // namespace tandem
