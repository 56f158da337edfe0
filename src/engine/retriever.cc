// SPDX-License-Identifier: Apache-2.0
#include "engine/retriever.h"

#include <algorithm>

#include "core/error.h"
#include "engine/bert4rec/bert4rec.h"
#include "engine/lrurec/lrurec.h"
#include "engine/narm/narm.h"
#include "engine/sasrec/sasrec.h"
#include "models/retriever_family.h"

namespace tandem::engine {
namespace {

// Positions of one task, cut by the histories' lengths alone.
constexpr int64_t kTaskPositions = 512;
constexpr int32_t kNewUser[] = {0};

template <class Model>
std::unique_ptr<Retriever> make(const RetrieverWeights& weights) {
  return std::make_unique<Model>(weights);
}

// By the names of retriever_families().
struct Maker {
  std::string_view family;
  std::unique_ptr<Retriever> (*make)(const RetrieverWeights& weights);
};
constexpr Maker kFamilies[] = {{"lrurec", make<LruRec>},
                               {"sasrec", make<SasRec>},
                               {"narm", make<Narm>},
                               {"bert4rec", make<Bert4Rec>}};

}  // namespace

SeenItems parse_seen_items(std::string_view name) {
  if (name == "window") return SeenItems::kWindow;
  if (name == "full" || name == "history") return SeenItems::kHistory;
  if (name == "none") return SeenItems::kNone;
  throw UsageError(
      "'{}' does not say which seen items to exclude; expected window, history or none", name);
}

std::string_view seen_items_name(SeenItems seen) {
  switch (seen) {
    case SeenItems::kWindow:
      return "window";
    case SeenItems::kHistory:
      return "history";
    case SeenItems::kNone:
      break;
  }
  return "none";
}

Retriever::Retriever(const RetrieverWeights& weights, PackedMatrix item_table,
                     std::vector<float> item_bias)
    : config_(weights.config()),
      item_table_(std::move(item_table)),
      item_bias_(std::move(item_bias)),
      known_(weights.known().begin(), weights.known().end()) {
  if (known_.empty()) return;
  // Their rows are zeros, so the bias alone is their score.
  item_bias_.resize(known_.size(), 0.0f);
  for (size_t item = 1; item < known_.size(); ++item)
    if (known_[item] == 0) item_bias_[item] = kExcludedScore;
}

Retriever::Windows Retriever::windows(std::span<const History> histories) const {
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

Retriever::Windows Retriever::excluded(std::span<const History> histories, SeenItems seen) const {
  if (seen == SeenItems::kWindow) return windows(histories);
  if (seen == SeenItems::kNone) return {};
  return {.rows = {histories.begin(), histories.end()}, .items = {}};
}

std::vector<float> Retriever::hidden(std::span<const History> histories, ThreadPool& pool) const {
  const Windows seen = windows(histories);
  const std::vector<History>& rows = seen.rows;
  std::vector<int64_t> begins = {0};
  int64_t positions = 0;
  for (int64_t row = 0; row < std::ssize(rows); ++row) {
    if (positions >= kTaskPositions) {
      begins.push_back(row);
      positions = 0;
    }
    positions += std::ssize(rows[row]);
  }
  begins.push_back(std::ssize(rows));
  std::vector<float> out(rows.size() * width());
  pool.parallel_for(std::ssize(begins) - 1, [&](int64_t task, int) {
    const int64_t begin = begins[task], end = begins[task + 1];
    if (begin < end)
      forward(std::span(rows).subspan(begin, end - begin), out.data() + begin * width());
  });
  return out;
}

ScoreProblem Retriever::score_problem(const float* hidden, int64_t rows,
                                      std::span<const History> excluded) const {
  return {.hidden = hidden,
          .rows = rows,
          .width = width(),
          .packed = &item_table_,
          .bias = item_bias_.empty() ? nullptr : item_bias_.data(),
          .num_items = num_items(),
          .excluded = excluded};
}

std::vector<float> Retriever::score(std::span<const History> histories, SeenItems seen,
                                    ThreadPool& pool) const {
  const std::vector<float> states = hidden(histories, pool);
  const Windows skip = excluded(histories, seen);
  return score_all(score_problem(states.data(), std::ssize(histories), skip.rows), pool);
}

std::vector<std::vector<ScoredItem>> Retriever::top_k(std::span<const History> histories, int64_t k,
                                                      SeenItems seen, ThreadPool& pool) const {
  return top_k_and_rank(histories, k, {}, seen, pool).top;
}

TopKAndRank Retriever::top_k_and_rank(std::span<const History> histories, int64_t k,
                                      std::span<const int32_t> targets, SeenItems seen,
                                      ThreadPool& pool) const {
  const std::vector<float> states = hidden(histories, pool);
  const Windows skip = excluded(histories, seen);
  TopKAndRank found = score_topk_and_rank(
      score_problem(states.data(), std::ssize(histories), skip.rows), k, targets, pool);
  for (size_t b = 0; b < targets.size(); ++b)
    if (!knows(targets[b])) found.ranks[b] = {.score = kExcludedScore, .rank = 0, .equal = 0};
  return found;
}

std::unique_ptr<Retriever> make_retriever(const RetrieverWeights& weights) {
  const RetrieverFamily& family = retriever_family(weights.config().model_type);
  for (const auto& [name, make] : kFamilies)
    if (name == family.name) return make(weights);
  throw ConfigError("the engine has no {}", family.title);
}

std::unique_ptr<Retriever> load_retriever(const fs::path& path,
                                          const RetrieverModelConfig& fallback) {
  return make_retriever(RetrieverWeights::open(path, fallback));
}

}  // namespace tandem::engine
