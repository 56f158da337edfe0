// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/output.h"
#include "data/string_table.h"

namespace tandem {

// interactions.bin begins with this; then, without gaps, offsets u64[users + 1], timestamps i64[n],
// items i32[n], ratings f32[n]. Little-endian, like every machine this program runs on.
struct InteractionsHeader {
  char magic[8];
  uint64_t num_users, num_items, num_interactions;
};
inline constexpr char kInteractionsMagic[8] = {'T', 'N', 'D', 'M', 'I', 'N', 'T', '1'};
inline constexpr int kDatasetVersion = 1;
inline constexpr const char* kDatasetFormat = "tandem-dataset";  // "format" in dataset.json

// A log after filtering and ordering, ready to be written.
struct DenseLog {
  std::vector<std::string_view> user_ids, item_ids, titles;  // titles "" where there is none
  std::vector<Json> item_fields;                             // empty, or one object an item
  IdOrder user_order = IdOrder::kBytes, item_order = IdOrder::kBytes;
  std::vector<uint64_t> offsets;  // [users + 1]
  std::vector<int64_t> timestamps;
  std::vector<int32_t> items;  // dense, from 1
  std::vector<float> ratings;
};

extern const OutputKind kDatasetFolder;

// Writes the files of a data set into an existing folder; returns the fingerprint. about's keys go
// into dataset.json between the counts and the fingerprint.
std::string write_dataset_files(const fs::path& folder, const DenseLog& log, const Json& about);

}  // namespace tandem
