// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace tandem {

// "a; b; c" as its parts, without blanks around them; empty ones are left out.
std::vector<std::string> split_titles(const std::string& text);

// The items that titles (in any case) or ids name, with ; between them. DataError for one that is
// not there, with what may have been meant; UsageError when none is named.
std::vector<int32_t> parse_history(const Dataset& dataset, const std::string& text);

// DataError with the nearest id by spelling; `remedy` ends the message.
int64_t find_user(const Dataset& dataset, const std::string& id, const std::string& remedy = "");

}  // namespace tandem
