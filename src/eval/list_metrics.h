// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "eval/bootstrap.h"

namespace tandem {

// How often each item occurs in the training sequences, c[i], and which items are the long tail:
// items by falling c (of equal ones the lower item first), the short head being the fewest that
// have 80 % of all interactions, and the tail the rest (Abdollahpouri et al., "Managing Popularity
// Bias in Recommender Systems with Personalized Re-ranking", FLAIRS 2019).
struct ItemPopularity {
  std::vector<int64_t> counts;     // [N + 1]; class 0, the padding, has none
  std::vector<uint8_t> long_tail;  // [N + 1]
  int64_t num_users = 0;           // with at least one training interaction

  int64_t num_items() const { return static_cast<int64_t>(counts.size()) - 1; }
};

// DataError for an item outside 0..num_items.
ItemPopularity item_popularity(std::span<const std::span<const int32_t>> train_sequences,
                               int32_t num_items);

// What one user is shown, best first, and the item that was held out.
struct UserList {
  std::vector<int32_t> items;
  int32_t target = 0;
};

struct ListMetric {
  std::string name;
  double value = 0;
  std::optional<Interval> interval = {};  // of means over users
};

// What the lists are like whatever they hit. With L the first k items of a user's list, r[i] the
// number of lists that hold item i, R = sum r, p[i] = r[i] / R:
//
//   item coverage  #{i: r[i] > 0} / N
//   Gini           sum over j = 1..N of (2j - N - 1) r(j) / (N R), r(1) <= ... <= r(N) over all N
//                  items: 0 when all are shown equally often, (N - 1) / N when one alone is
//   entropy        - sum p[i] log2 p[i], bits (Shannon)
//   ARP            mean over users of the mean c[i] over L (average recommendation popularity)
//   APLT           mean over users of the share of L in the long tail
//   ACLT           mean over users of the number of long-tail items in L, k APLT for full lists
//   novelty        mean over users of the mean self-information log2(num_users / c[i]) over L (Zhou
//                  et al., PNAS 2010), bits; an item that was never trained on counts as c = 1
//   PopREO         for head and tail, P(hit | target in the group); their standard deviation over
//                  their mean: 0 when popular and rare targets are found equally often (Zhu et al.,
//                  "Measuring and Mitigating Item Under-Recommendation Bias", SIGIR 2020); left out
//                  when a group has no target or nothing was hit
//
// Users with an empty list count for no metric but PopREO. DataError when all lists are empty,
// ShapeError for k < 1.
std::vector<ListMetric> list_metrics(std::span<const UserList> lists, int64_t k,
                                     const ItemPopularity& popularity,
                                     const ResamplingOptions& resampling, ThreadPool& pool);

}  // namespace tandem
