// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/output.h"

namespace tandem {

struct GenerateOptions {
  int64_t num_users = 100'000, num_items = 50'000, num_interactions = 1'000'000;
  uint64_t seed = 1;
};

// Writes a CSV file "user,item,rating,timestamp" of random interactions, for trying out sizes and
// speed: users uniform, items skewed (item = N u^2, so the first tenth of the items gets a third of
// the rows), ratings 1 to 5, times rising. The same options give the same file. Throws UsageError,
// IoError.
void generate_interactions(const GenerateOptions& options, const Output& output);
extern const OutputKind kGeneratedFile;

}  // namespace tandem
