// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/row_reader.h"

namespace tandem {

// Tells what the times of one file count, the log's rows from `first` on, and turns them into
// seconds. Numbers are told by their size, by the majority of the rows: from 10^11 on (as seconds
// the year 5138) they count milliseconds, from 10^14 microseconds, from 10^17 nanoseconds. Numbers
// that are all calendar dates (20180707, 20180707220911) are those. Everything but seconds and
// dates gives a warning. dates: how many of the times were written as dates; a file that has both
// is refused with FormatError. Returns the unit's name for dataset.json, "" when there is no row.
std::string settle_times(std::string_view file, size_t first, int64_t dates, TimeColumn& time,
                         ReadContext& context);

}  // namespace tandem
