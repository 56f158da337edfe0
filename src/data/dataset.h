// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/file.h"

namespace tandem {

// Dense item index; 0 is padding, real items are 1..num_items.
inline constexpr int32_t kPaddingItem = 0;

// A data set folder, mapped read-only: users 0..num_users-1, each with its interactions oldest
// first. Opening costs no more than its header; histories are spans into the mapping. Layout:
// docs/formats.md. Safe for concurrent reads. open() throws FormatError or IoError, and checks
// every size against the files.
class Dataset {
 public:
  static Dataset open(const fs::path& folder);
  ~Dataset();
  Dataset(Dataset&&) noexcept;
  Dataset& operator=(Dataset&&) noexcept;

  int64_t num_users() const;
  int64_t num_items() const;
  int64_t num_interactions() const;

  // One user's interactions, three parallel spans. timestamps are seconds since 1970 (0 where the
  // source has none), ratings are the source's (NaN where it has none).
  std::span<const int32_t> items(int64_t user) const;
  std::span<const int64_t> timestamps(int64_t user) const;
  std::span<const float> ratings(int64_t user) const;

  // Outside names. item in 1..num_items.
  std::string_view user_id(int64_t user) const;
  std::string_view item_id(int32_t item) const;
  std::string_view title(int32_t item) const;  // the outside id where the source has no title
  std::optional<int64_t> find_user(std::string_view user_id) const;
  std::optional<int32_t> find_item(std::string_view item_id) const;

  // SHA-256 of the content (not of the way it was imported).
  const std::string& fingerprint() const;
  const fs::path& folder() const;

 private:
  struct State;
  explicit Dataset(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Leave-one-out (docs/protocols.md): last interaction test, the one before validation, the rest
// train. A user with fewer than three interactions trains only.
enum class Split { kValid, kTest };

std::span<const int32_t> train_items(const Dataset& dataset, int64_t user);
// What is known before the held-out item: train for kValid, train and validation item for kTest.
std::span<const int32_t> input_items(const Dataset& dataset, int64_t user, Split split);
// The held-out item, or nothing for a user who trains only.
std::optional<int32_t> target_item(const Dataset& dataset, int64_t user, Split split);

}  // namespace tandem
