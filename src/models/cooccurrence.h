// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/file.h"

namespace tandem {

// A run folder's file.
inline constexpr const char* kCooccurrenceFile = "cooccurrence.safetensors";

// How alike two items' users are, for all pairs with a user in common, themselves included:
//
//     similarity(x, s) = |U_x and U_s| / sqrt(|U_x| |U_s|)      U: the users who took the item
//
// the cosine of the items' binary vectors of users. Sparse rows, each by ascending item; items
// 1..N, as in a data set. 8 bytes a pair, mapped or in memory. Safe to read concurrently.
class Cooccurrence {
 public:
  struct Row {
    std::span<const int32_t> items;
    std::span<const float> similarities;  // in (0, 1]
  };

  // A file, mapped. Every row is checked. FormatError naming file and tensor, IoError.
  explicit Cooccurrence(const fs::path& path);
  // row_ends [N]: where each item's pairs end. ShapeError for what a file could not hold.
  Cooccurrence(std::vector<int64_t> row_ends, std::vector<int32_t> items,
               std::vector<float> similarities);

  int64_t num_items() const { return std::ssize(row_ends_); }  // N
  int64_t num_pairs() const { return std::ssize(items_); }
  Row row(int64_t item) const;  // item in 1..N
  void write(const fs::path& path) const;

  // In other item numbers: numbers[i - 1] is the number here of the new item i, or 0 where there is
  // none, whose row is then empty. Items that are not named are left out. ShapeError for a number
  // outside 0..N or one that is named twice.
  Cooccurrence renumbered(std::span<const int32_t> numbers) const;

 private:
  std::shared_ptr<const void> storage_;  // what the views look into
  std::span<const int64_t> row_ends_;
  std::span<const int32_t> items_;
  std::span<const float> similarities_;
};

}  // namespace tandem
