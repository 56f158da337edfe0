// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem {

// Users cut into `count` folds for cross-fitting: user u, a dense number, is in fold u % count. It
// needs no draw, so a fold is the same for every seed and differs in size by one user at most.
struct UserFolds {
  int64_t count = 0;      // 0: users are not cut
  int64_t left_out = -1;  // the fold that is kept out of training; -1: none

  int64_t of(int64_t user) const { return user % count; }
  bool trains(int64_t user) const { return left_out < 0 || of(user) != left_out; }
};

}  // namespace tandem
