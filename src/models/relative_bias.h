// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace tandem {

// The relative bias of HSTU's attention (github.com/facebookresearch/generative-recommenders,
// RelativeBucketedTimeAndPositionBasedBias): what is added to the product of query i and key j, the
// same for all heads of a layer,
//
//     b[i, j] = pos_w[j - i + L - 1] + ts_w[time_bucket(t_i - t_j)]        j <= i
//
// There the time is that of the item after i, which is the answer's; here it is i's own, so that
// nothing of the answer is told and a question is asked as it was trained.
inline constexpr int64_t kTimeBuckets = 129;

// ln(max(1, |seconds|)) / 0.301 without its fraction, 127 at most; 128 where one of the times is
// not known (0).
inline int64_t time_bucket(int64_t from, int64_t to) {
  if (from == 0 || to == 0) return kTimeBuckets - 1;
  const double distance = std::abs(static_cast<double>(to) - static_cast<double>(from));
  const auto bucket = static_cast<int64_t>(std::log(std::max(1.0, distance)) / 0.301);
  return std::min(bucket, kTimeBuckets - 2);
}

}  // namespace tandem
