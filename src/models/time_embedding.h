// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/tensor_spec.h"

namespace tandem {

// The times of interactions in HLLM's User LLM (arXiv 2409.12740, Section 3.5 and Table 12; no code
// was released). The vector that is added to the item vector of an input is
//
//     t = W_2 SiLU(W_1 [year, month, day, hour, minute, second] + b_1) + b_2
//
// with one row of a table for each calendar field (UTC), W_1 [D, 6 w] and W_2 [D, D]. The paper
// says "an MLP"; two layers and SiLU are our choice. Targets have no time, and an input whose time
// is not known has no vector added.
struct TimeTable {
  const char* name;
  int64_t rows;
};
inline constexpr std::array<TimeTable, 6> kTimeTables = {{{"time_embeddings.year.weight", 2100},
                                                          {"time_embeddings.month.weight", 13},
                                                          {"time_embeddings.day.weight", 32},
                                                          {"time_embeddings.hour.weight", 24},
                                                          {"time_embeddings.minute.weight", 60},
                                                          {"time_embeddings.second.weight", 60}}};

// One number a table.
using TimeFields = std::array<int32_t, kTimeTables.size()>;

// Year, month (1..12), day, hour, minute and second of a time in seconds since 1970, UTC.
TimeFields calendar_fields(int64_t seconds);
// The same as rows of the tables. DataError for a year that the table has not, which says that the
// times may be in another unit.
TimeFields time_rows(int64_t seconds);

// The tables, w numbers wide, and the two layers up to D, in the order in which they are written:
// time_mlp.0 and time_mlp.2, weight and bias each.
std::vector<TensorSpec> time_parameters(int64_t table_width, int64_t width);

}  // namespace tandem
