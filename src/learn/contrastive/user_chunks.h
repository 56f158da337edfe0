// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "data/folds.h"

namespace tandem::learn {

// A stretch of one user's interactions, oldest first; the spans are the data set's.
struct UserSequence {
  int64_t user = 0;
  std::span<const int32_t> items;
  std::span<const int64_t> times;  // seconds since 1970, as many

  UserSequence subsequence(int64_t begin, int64_t count) const;
  UserSequence last(int64_t count) const;  // all where there are fewer
};

// The training part of every user that has one and that the folds do not leave out, in the data
// set's order, or as HLLM's authors have it: in the order of the users' first interactions in time
// (equal times: the data set's order).
enum class UserOrder { kDataset, kFirstInteraction };
std::vector<UserSequence> training_sequences(const Dataset& dataset, const UserFolds& folds = {},
                                             UserOrder order = UserOrder::kDataset);

// HLLM's training samples (github.com/bytedance/HLLM, REC/data/dataset/trainset.py), with L =
// max_length. Split (the authors' data_split): a sequence of more than L + 1 items is cut into
// chunks of exactly L + 1 from its end, and what is left at the front is dropped; shorter ones are
// one sample each, one of a single item too. Not split: each sequence is one sample, of which a row
// shows the last L + 1 items. A sample of k shown items has k - 1 transitions.
std::vector<UserSequence> user_chunks(std::span<const UserSequence> users, int64_t max_length,
                                      bool split);

}  // namespace tandem::learn
