// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace tandem {

// Outside ids are ordered numerically when every one of them is 1 to 18 decimal digits (equal
// numbers, "07" and "7", then by bytes), else by bytes. The order is stored with the ids, so that a
// look-up is a binary search.
enum class IdOrder : uint32_t { kBytes = 0, kNumeric = 1 };

IdOrder id_order(std::span<const std::string_view> ids);
// Sorts by the rule; returns the permutation: result[rank] = index into ids.
std::vector<int32_t> sort_ids(std::span<const std::string_view> ids, IdOrder order);

// Columns of strings of equal length in one mapped file; the first column holds sorted ids. Layout:
// docs/formats.md. Opening reads the header; a string is checked when it is read. Throws
// FormatError.
class StringTable {
 public:
  explicit StringTable(const fs::path& path);

  int64_t size() const { return count_; }
  int64_t columns() const { return columns_; }
  std::string_view at(int64_t column, int64_t row) const;
  std::optional<int64_t> find(std::string_view id) const;  // in column 0

  // The file's bytes for these columns, all of one length.
  static std::vector<char> encode(std::span<const std::vector<std::string_view>> columns,
                                  IdOrder order);

 private:
  MappedFile file_;
  IdOrder order_ = IdOrder::kBytes;
  int64_t columns_ = 0, count_ = 0;
  uint64_t blob_bytes_ = 0;
  const uint64_t* offsets_ = nullptr;
  const char* blob_ = nullptr;
};

}  // namespace tandem
