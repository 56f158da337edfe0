// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "data/dataset.h"

namespace tandem {

// Counts, history lengths, density, time span, ratings, and the first users' last titles. Checks
// the whole content against the fingerprint and throws FormatError when it differs. One pass over
// the files.
Json describe_dataset(const Dataset& dataset, int64_t num_samples = 3);

// The same for people.
std::string describe_text(const Json& description);

// One line for each reason for which rows were left out, from dataset.json's "dropped".
std::vector<std::string> dropped_lines(const Json& dropped);

// Seconds since 1970 as "2018-09-24 14:27:30" (UTC).
std::string format_time(int64_t seconds);

}  // namespace tandem
