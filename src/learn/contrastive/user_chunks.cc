// SPDX-License-Identifier: Apache-2.0
#include "learn/contrastive/user_chunks.h"

#include <algorithm>

#include "core/check.h"

namespace tandem::learn {

UserSequence UserSequence::subsequence(int64_t begin, int64_t count) const {
  return {user, items.subspan(begin, count), times.subspan(begin, count)};
}

UserSequence UserSequence::last(int64_t count) const {
  const int64_t kept = std::min(count, std::ssize(items));
  return subsequence(std::ssize(items) - kept, kept);
}

std::vector<UserSequence> training_sequences(const Dataset& dataset, const UserFolds& folds,
                                             UserOrder order) {
  std::vector<UserSequence> users;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    const std::span<const int32_t> items = train_items(dataset, user);
    if (items.empty() || !folds.trains(user)) continue;
    users.push_back({user, items, dataset.timestamps(user).first(items.size())});
  }
  if (order == UserOrder::kFirstInteraction)
    std::ranges::stable_sort(users, {}, [](const UserSequence& user) { return user.times[0]; });
  return users;
}

std::vector<UserSequence> user_chunks(std::span<const UserSequence> users, int64_t max_length,
                                      bool split) {
  TANDEM_CHECK(max_length > 0);
  const int64_t chunk = max_length + 1;
  std::vector<UserSequence> samples;
  for (const UserSequence& user : users) {
    const int64_t count = std::ssize(user.items);
    if (count == 0) continue;
    if (!split || count <= chunk) {
      samples.push_back(user);
      continue;
    }
    for (int64_t begin = count % chunk; begin < count; begin += chunk)
      samples.push_back(user.subsequence(begin, chunk));
  }
  return samples;
}

}  // namespace tandem::learn
