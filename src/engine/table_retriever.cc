// SPDX-License-Identifier: Apache-2.0
#include "engine/table_retriever.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace tandem::engine {
namespace {

constexpr int32_t kNewUser[] = {0};

}  // namespace

TableRetriever::TableRetriever(RetrieverModelConfig config, PackedMatrix item_table,
                               std::vector<float> item_bias, std::vector<uint8_t> known)
    : config_(std::move(config)),
      item_table_(std::move(item_table)),
      item_bias_(std::move(item_bias)),
      known_(std::move(known)) {
  if (known_.empty()) return;
  // Their rows are zeros, so the bias alone is their score.
  item_bias_.resize(known_.size(), 0.0f);
  for (size_t item = 1; item < known_.size(); ++item)
    if (known_[item] == 0) item_bias_[item] = kExcludedScore;
}

TableRetriever::Windows TableRetriever::windows(std::span<const History> histories) const {
  Windows windows;
  windows.rows.reserve(histories.size());
  const auto longest = static_cast<size_t>(window());
  const auto add = [&](History seen) {
    windows.rows.push_back(seen.empty() ? History(kNewUser) : seen);
  };
  if (!known_.empty()) {  // room for all, as rows look into them
    size_t most = 0;
    for (const History& history : histories) most += std::min(history.size(), longest);
    windows.items.reserve(most);
    windows.times.reserve(most);
  }
  for (const History& history : histories) {
    for (const int32_t item : history)
      if (item < 1 || item > num_items())
        throw DataError("item {} of a history is not among the model's items 1..{}", item,
                        num_items());
    if (known_.empty()) {
      add(history.newest(longest));
      continue;
    }
    const size_t begin = windows.items.size();
    for (size_t i = history.size(); i > 0 && windows.items.size() - begin < longest; --i) {
      if (!knows(history[i - 1])) continue;
      windows.items.push_back(history[i - 1]);
      windows.times.push_back(history.time(i - 1));
    }
    const auto first = static_cast<int64_t>(begin);
    std::reverse(windows.items.begin() + first, windows.items.end());
    std::reverse(windows.times.begin() + first, windows.times.end());
    add({std::span(windows.items).subspan(begin), std::span(windows.times).subspan(begin)});
  }
  return windows;
}

TableRetriever::Asked TableRetriever::ask(std::span<const History> histories, SeenItems seen,
                                          ThreadPool& pool) const {
  Asked asked{.shown = windows(histories)};
  const std::vector<History>& shown = asked.shown.rows;
  asked.hidden.resize(shown.size() * width());
  run(shown, pool, asked.hidden.data());
  asked.added = added(shown);
  if (seen != SeenItems::kNone)
    for (const History& history : seen == SeenItems::kWindow ? std::span(shown) : histories)
      asked.excluded.push_back(history.items());
  asked.problem = score_problem(asked.hidden.data(), std::ssize(shown), asked.excluded);
  asked.problem.added = asked.added;
  return asked;
}

std::vector<float> TableRetriever::hidden(std::span<const History> histories,
                                          ThreadPool& pool) const {
  return ask(histories, SeenItems::kNone, pool).hidden;
}

ScoreProblem TableRetriever::score_problem(
    const float* hidden, int64_t rows, std::span<const std::span<const int32_t>> excluded) const {
  return {.hidden = hidden,
          .rows = rows,
          .width = width(),
          .packed = &item_table_,
          .bias = item_bias_.empty() ? nullptr : item_bias_.data(),
          .num_items = num_items(),
          .excluded = excluded};
}

std::vector<float> TableRetriever::score(std::span<const History> histories, SeenItems seen,
                                         ThreadPool& pool) const {
  return score_all(ask(histories, seen, pool).problem, pool);
}

TopKAndRank TableRetriever::top_k_and_rank(std::span<const History> histories, int64_t k,
                                           std::span<const int32_t> targets, SeenItems seen,
                                           ThreadPool& pool) const {
  TopKAndRank found = score_topk_and_rank(ask(histories, seen, pool).problem, k, targets, pool);
  for (size_t b = 0; b < targets.size(); ++b)
    if (!knows(targets[b])) found.ranks[b] = {.score = kExcludedScore, .rank = 0, .equal = 0};
  return found;
}

}  // namespace tandem::engine
