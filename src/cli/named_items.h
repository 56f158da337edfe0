// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace tandem {

// The items that --history names, by titles (in any case) or ids; typed_titles.h has the forms. One
// text is cut at those ; that leave only items of the data set, so a title may hold one. DataError
// for a name that is not there, with what may have been meant; UsageError when there are two ways to
// cut, or no item is named.
std::vector<int32_t> parse_history(const Dataset& dataset, const std::vector<std::string>& values);

// DataError with the nearest id by spelling; `remedy` ends the message.
int64_t find_user(const Dataset& dataset, const std::string& id, const std::string& remedy = "");

}  // namespace tandem
