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
  if (!known_.empty()) {  // room for all, as rows look into it
    size_t most = 0;
    for (const History& history : histories) most += std::min(history.size(), longest);
    windows.items.reserve(most);
  }
  for (const History& history : histories) {
    for (const int32_t item : history)
      if (item < 1 || item > num_items())
        throw DataError("item {} of a history is not among the model's items 1..{}", item,
                        num_items());
    if (known_.empty()) {
      add(history.last(std::min(history.size(), longest)));
      continue;
    }
    const size_t begin = windows.items.size();
    for (size_t i = history.size(); i > 0 && windows.items.size() - begin < longest; --i)
      if (knows(history[i - 1])) windows.items.push_back(history[i - 1]);
    std::reverse(windows.items.begin() + static_cast<int64_t>(begin), windows.items.end());
    add(History(windows.items).subspan(begin));
  }
  return windows;
}

TableRetriever::Windows TableRetriever::excluded(std::span<const History> histories,
                                                 SeenItems seen) const {
  if (seen == SeenItems::kWindow) return windows(histories);
  if (seen == SeenItems::kNone) return {};
  return {.rows = {histories.begin(), histories.end()}, .items = {}};
}

TableRetriever::States TableRetriever::states(std::span<const History> histories,
                                              ThreadPool& pool) const {
  const Windows seen = windows(histories);
  States states{.hidden = std::vector<float>(seen.rows.size() * width()),
                .added = added(seen.rows)};
  run(seen.rows, pool, states.hidden.data());
  return states;
}

std::vector<float> TableRetriever::hidden(std::span<const History> histories,
                                          ThreadPool& pool) const {
  return states(histories, pool).hidden;
}

ScoreProblem TableRetriever::score_problem(const float* hidden, int64_t rows,
                                           std::span<const History> excluded) const {
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
  const States given = states(histories, pool);
  const Windows skip = excluded(histories, seen);
  ScoreProblem problem = score_problem(given.hidden.data(), std::ssize(histories), skip.rows);
  problem.added = given.added;
  return score_all(problem, pool);
}

TopKAndRank TableRetriever::top_k_and_rank(std::span<const History> histories, int64_t k,
                                           std::span<const int32_t> targets, SeenItems seen,
                                           ThreadPool& pool) const {
  const States given = states(histories, pool);
  const Windows skip = excluded(histories, seen);
  ScoreProblem problem = score_problem(given.hidden.data(), std::ssize(histories), skip.rows);
  problem.added = given.added;
  TopKAndRank found = score_topk_and_rank(problem, k, targets, pool);
  for (size_t b = 0; b < targets.size(); ++b)
    if (!knows(targets[b])) found.ranks[b] = {.score = kExcludedScore, .rank = 0, .equal = 0};
  return found;
}

}  // namespace tandem::engine
