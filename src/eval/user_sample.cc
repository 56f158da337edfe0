// SPDX-License-Identifier: Apache-2.0
#include "eval/user_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/rng.h"

namespace tandem {

std::string UserSample::name(int64_t num_users) const {
  return size == 0 || size >= num_users ? "all" : fmt::format("{} drawn with seed {}", size, seed);
}

std::vector<int64_t> UserSample::draw(std::span<const int64_t> users) const {
  if (size == 0 || std::ssize(users) <= size) return {users.begin(), users.end()};
  std::vector<std::pair<uint64_t, int64_t>> lots;
  for (const int64_t user : users)
    lots.emplace_back(Rng(seed, RngPurpose::kUsers, 0, static_cast<uint64_t>(user)).next_u64(),
                      user);
  std::ranges::nth_element(lots, lots.begin() + size);
  std::vector<int64_t> drawn;
  for (int64_t i = 0; i < size; ++i) drawn.push_back(lots[i].second);
  std::ranges::sort(drawn);
  return drawn;
}

RankList UserSample::draw(const RankList& ranks) const {
  const std::vector<int64_t> drawn = draw(ranks.users);
  RankList list;
  list.reserve(std::ssize(drawn));
  for (size_t i = 0; i < ranks.users.size(); ++i) {
    if (std::ranges::binary_search(drawn, ranks.users[i]))
      list.add(ranks.users[i], ranks.targets[i],
               {ranks.ranks[i], ranks.tied[i] != 0, ranks.excluded[i] != 0});
  }
  return list;
}

}  // namespace tandem
