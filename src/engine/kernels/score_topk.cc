// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/score_topk.h"

#include <algorithm>

#include "core/error.h"
#include "engine/kernels/packed_matrix.h"

namespace tandem::engine {
namespace {

// Items whose scores exist at one time, and rows that share a packed tile. A tile of width 64 is
// 128 KB packed; a block of kRows rows' scores, 12 KB, stays in the first-level cache.
constexpr int64_t kTile = 512, kGroup = 240, kRows = 6;
// The item axis is cut into at most this many strips, so that one row alone can use several
// threads.
constexpr int64_t kMaxStrips = 8;

bool better(const ScoredItem& a, const ScoredItem& b) {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

struct Shape {
  explicit Shape(const ScoreProblem& problem)
      : items(problem.num_items + 1),
        tiles((items + kTile - 1) / kTile),
        tiles_per_strip((tiles + kMaxStrips - 1) / kMaxStrips),
        strips((tiles + tiles_per_strip - 1) / tiles_per_strip),
        groups((problem.rows + kGroup - 1) / kGroup) {}
  int64_t items, tiles, tiles_per_strip, strips, groups;
};

void check(const ScoreProblem& problem) {
  if (problem.rows < 0 || problem.width <= 0 || problem.num_items < 0)
    throw ShapeError("score_topk: {} rows of width {} against {} items", problem.rows,
                     problem.width, problem.num_items);
  if (!problem.excluded.empty() && static_cast<int64_t>(problem.excluded.size()) != problem.rows)
    throw ShapeError("score_topk: {} lists of excluded items for {} rows", problem.excluded.size(),
                     problem.rows);
  if (!problem.added.empty() && static_cast<int64_t>(problem.added.size()) != problem.rows)
    throw ShapeError("score_topk: {} lists of sparse terms for {} rows", problem.added.size(),
                     problem.rows);
  const PackedMatrix* packed = problem.packed;
  if (packed && (packed->rows() != problem.num_items + 1 || packed->columns() != problem.width))
    throw ShapeError("score_topk: the item table is {} x {}, expected {} x {}", packed->rows(),
                     packed->columns(), problem.num_items + 1, problem.width);
  if (!packed && !problem.table && problem.rows > 0) throw ShapeError("score_topk: no item table");
}

// Keeps the k best in a heap with the worst on top. Items must come in ascending order: then one
// that equals the worst never replaces it.
class BestK {
 public:
  void reset(int64_t k) {
    k_ = static_cast<size_t>(k);
    heap_.clear();
    threshold_ = kExcludedScore;
  }
  void offer(const float* scores, int64_t count, int64_t first_item) {
    if (k_ == 0) return;
    for (int64_t begin = 0; begin < count; begin += kProbe) {
      const int64_t end = std::min(begin + kProbe, count);
      bool any = false;
      for (int64_t j = begin; j < end; ++j) any |= scores[j] > threshold_;
      if (!any) continue;
      for (int64_t j = begin; j < end; ++j)
        if (scores[j] > threshold_) insert({static_cast<int32_t>(first_item + j), scores[j]});
    }
  }
  const std::vector<ScoredItem>& items() const { return heap_; }

 private:
  static constexpr int64_t kProbe = 32;

  void insert(ScoredItem item) {
    if (heap_.size() == k_) {
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.back() = item;
    } else {
      heap_.push_back(item);
    }
    std::push_heap(heap_.begin(), heap_.end(), better);
    if (heap_.size() == k_) threshold_ = heap_.front().score;
  }

  size_t k_ = 0;
  float threshold_ = kExcludedScore;  // what an item must exceed
  std::vector<ScoredItem> heap_;
};

// Of the items [first, first + count).
void add_terms(const ScoreProblem& problem, int64_t row, int64_t first, int64_t count,
               float* scores) {
  if (problem.added.empty()) return;
  for (const SparseTerm& term : problem.added[row]) {
    const auto begin = std::ranges::lower_bound(term.items, static_cast<int32_t>(first));
    for (auto i = begin - term.items.begin();
         i < std::ssize(term.items) && term.items[i] < first + count; ++i)
      scores[term.items[i] - first] += term.weight * term.values[i];
  }
}

// Makes the scores of rows [row, row + rows) and items [first, first + count), tile by tile, and
// shows each row's piece to visit(row, scores, count, first_item).
struct TaskScratch {
  std::vector<float> panels, scores;
  std::vector<int32_t> excluded;        // of this strip, all rows one behind the other
  std::vector<int64_t> excluded_begin;  // [rows + 1]
};

template <typename Visit>
void visit_strip(const ScoreProblem& problem, const Shape& shape, int64_t group, int64_t strip,
                 TaskScratch& scratch, const Visit& visit) {
  const int64_t row_begin = group * kGroup, row_end = std::min(row_begin + kGroup, problem.rows);
  const int64_t first = strip * shape.tiles_per_strip * kTile;
  const int64_t last = std::min(first + shape.tiles_per_strip * kTile, shape.items);

  scratch.excluded.clear();
  scratch.excluded_begin.assign(1, 0);
  for (int64_t row = row_begin; row < row_end; ++row) {
    if (problem.exclude_padding && first == 0) scratch.excluded.push_back(0);
    if (!problem.excluded.empty())
      for (const int32_t item : problem.excluded[row])
        if (item >= first && item < last) scratch.excluded.push_back(item);
    scratch.excluded_begin.push_back(static_cast<int64_t>(scratch.excluded.size()));
  }

  scratch.panels.resize(kTile * problem.width);
  scratch.scores.resize(kRows * kTile);
  for (int64_t tile = first; tile < last; tile += kTile) {
    const int64_t count = std::min(kTile, last - tile);
    const float* panels = scratch.panels.data();
    if (problem.packed) {
      panels = problem.packed->panels() + tile * problem.width;
    } else {
      pack_panels(problem.table + tile * problem.width, count, problem.width, problem.width,
                  scratch.panels.data());
    }
    for (int64_t row = row_begin; row < row_end; row += kRows) {
      const int64_t rows = std::min(kRows, row_end - row);
      multiply_panels(panels, problem.width, count, problem.hidden + row * problem.width,
                      problem.width, rows, problem.bias ? problem.bias + tile : nullptr,
                      scratch.scores.data(), kTile);
      for (int64_t r = 0; r < rows; ++r) {
        float* scores = scratch.scores.data() + r * kTile;
        const int64_t local = row + r - row_begin;
        add_terms(problem, row + r, tile, count, scores);
        for (int64_t e = scratch.excluded_begin[local]; e < scratch.excluded_begin[local + 1];
             ++e) {
          const int64_t j = scratch.excluded[e] - tile;
          if (j >= 0 && j < count) scores[j] = kExcludedScore;
        }
        visit(row + r, scores, count, tile);
      }
    }
  }
}

bool is_excluded(const ScoreProblem& problem, int64_t row, int32_t target) {
  if (target == 0) return problem.exclude_padding;
  return !problem.excluded.empty() &&
         std::ranges::find(problem.excluded[row], target) != problem.excluded[row].end();
}

float target_score(const ScoreProblem& problem, int64_t row, int32_t target) {
  const float* item = !problem.packed ? problem.table + target * problem.width : nullptr;
  std::vector<float> unpacked;
  if (problem.packed) {
    unpacked.resize(problem.width);
    problem.packed->copy_row(target, unpacked.data());
    item = unpacked.data();
  }
  float score = chained_dot(problem.hidden + row * problem.width, item, problem.width);
  if (problem.bias) score += problem.bias[target];
  add_terms(problem, row, target, 1, &score);
  return score;
}

}  // namespace

TopKAndRank score_topk_and_rank(const ScoreProblem& problem, int64_t k,
                                std::span<const int32_t> targets, ThreadPool& pool) {
  check(problem);
  if (k < 0) throw ShapeError("score_topk: k is {}", k);
  const bool ranking = !targets.empty();
  if (ranking && static_cast<int64_t>(targets.size()) != problem.rows)
    throw ShapeError("score_rank: {} targets for {} rows", targets.size(), problem.rows);
  TopKAndRank result;
  result.top.resize(problem.rows);
  result.ranks.resize(targets.size());
  for (int64_t b = 0; b < std::ssize(targets); ++b) {
    if (targets[b] < 0 || targets[b] > problem.num_items)
      throw ShapeError("score_rank: target {} of row {} is not in 0..{}", targets[b], b,
                       problem.num_items);
    result.ranks[b].excluded = is_excluded(problem, b, targets[b]);
    result.ranks[b].score =
        result.ranks[b].excluded ? kExcludedScore : target_score(problem, b, targets[b]);
  }

  const Shape shape(problem);
  k = std::min(k, shape.items);
  struct Partial {
    std::vector<std::vector<ScoredItem>> top;         // of each row of the group
    std::vector<std::pair<int64_t, int64_t>> counts;  // greater, equal
  };
  std::vector<Partial> partials(shape.groups * shape.strips);
  std::vector<TaskScratch> scratch(pool.size());
  pool.parallel_for(std::ssize(partials), [&](int64_t task, int worker) {
    const int64_t group = task / shape.strips, strip = task % shape.strips;
    const int64_t row_begin = group * kGroup, rows = std::min(kGroup, problem.rows - row_begin);
    Partial& partial = partials[task];
    std::vector<BestK> best(rows);
    for (BestK& row : best) row.reset(k);
    partial.counts.assign(ranking ? rows : 0, {0, 0});
    visit_strip(problem, shape, group, strip, scratch[worker],
                [&](int64_t row, const float* scores, int64_t count, int64_t first) {
                  best[row - row_begin].offer(scores, count, first);
                  if (!ranking) return;
                  const float target = result.ranks[row].score;
                  int32_t greater = 0, equal = 0;
                  for (int64_t j = 0; j < count; ++j) {
                    greater += !(scores[j] <= target);  // a NaN never ranks first
                    equal += scores[j] == target;
                  }
                  partial.counts[row - row_begin].first += greater;
                  partial.counts[row - row_begin].second += equal;
                });
    for (const BestK& row : best) partial.top.push_back(row.items());
  });

  for (int64_t row = 0; row < problem.rows; ++row) {
    const int64_t group = row / kGroup, local = row % kGroup;
    std::vector<ScoredItem>& top = result.top[row];
    for (int64_t strip = 0; strip < shape.strips; ++strip) {
      const Partial& partial = partials[group * shape.strips + strip];
      top.insert(top.end(), partial.top[local].begin(), partial.top[local].end());
      if (!ranking || result.ranks[row].excluded) continue;
      result.ranks[row].rank += partial.counts[local].first;
      result.ranks[row].equal += partial.counts[local].second;
    }
    std::ranges::sort(top, better);
    if (std::ssize(top) > k) top.resize(k);
    if (!ranking || result.ranks[row].excluded) continue;
    result.ranks[row].rank = std::min(result.ranks[row].rank + 1, shape.items);
    result.ranks[row].equal =
        std::max<int64_t>(0, result.ranks[row].equal - 1);  // not the target itself
  }
  return result;
}

std::vector<std::vector<ScoredItem>> score_topk(const ScoreProblem& problem, int64_t k,
                                                ThreadPool& pool) {
  return score_topk_and_rank(problem, k, {}, pool).top;
}

std::vector<TargetRank> score_rank(const ScoreProblem& problem, std::span<const int32_t> targets,
                                   ThreadPool& pool) {
  return score_topk_and_rank(problem, 0, targets, pool).ranks;
}

std::vector<float> score_all(const ScoreProblem& problem, ThreadPool& pool) {
  check(problem);
  const Shape shape(problem);
  std::vector<float> all(problem.rows * shape.items);
  std::vector<TaskScratch> scratch(pool.size());
  pool.parallel_for(shape.groups * shape.strips, [&](int64_t task, int worker) {
    visit_strip(problem, shape, task / shape.strips, task % shape.strips, scratch[worker],
                [&](int64_t row, const float* scores, int64_t count, int64_t first) {
                  std::copy_n(scores, count, all.data() + row * shape.items + first);
                });
  });
  return all;
}

}  // namespace tandem::engine
