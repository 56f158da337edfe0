// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/json.h"

namespace tandem {

// What equal times leave to the tie rule, counted user by user.
struct EqualTimesCount {
  int64_t interactions = 0;   // that share user and time with another
  int64_t users = 0;          // that have held-out items
  int64_t users_decided = 0;  // of these, whose held-out items an equal time decides

  // One user's rows, in order; equal(i) says whether rows i and i + 1 have one time.
  template <typename Equal>
  void add_user(size_t rows, const Equal& equal) {
    for (size_t i = 0; i < rows; ++i)
      interactions += (i > 0 && equal(i - 1)) || (i + 1 < rows && equal(i));
    if (rows < 3) return;
    ++users;
    users_decided += equal(rows - 2) || equal(rows - 3);
  }

  // As dataset.json has them.
  Json to_json() const;
};

// dataset.json's "equal_times" as a sentence.
std::string equal_times_text(const Json& equal_times, int64_t num_interactions);

}  // namespace tandem
