// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// The candidate nearest to `word` by edit distance, or "" when none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

// What to add to an error's text: "; did you mean 'nearest'?", or "" when none is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace tandem
