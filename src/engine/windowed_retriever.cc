// SPDX-License-Identifier: Apache-2.0
#include "engine/windowed_retriever.h"

#include <utility>

#include "engine/ops/unit_row.h"

namespace tandem::engine {
namespace {

// Positions of one task, cut by the histories' lengths alone.
constexpr int64_t kTaskPositions = 512;

}  // namespace

WindowedRetriever::WindowedRetriever(const RetrieverWeights& weights, PackedMatrix item_table,
                                     std::vector<float> item_bias)
    : WindowedRetriever(weights, rows_of(weights.config(), std::move(item_table)),
                        std::move(item_bias)) {}

WindowedRetriever::WindowedRetriever(const RetrieverWeights& weights, ItemRows items,
                                     std::vector<float> item_bias)
    : TableRetriever(weights.config(), std::move(items.table), std::move(item_bias),
                     {weights.known().begin(), weights.known().end()}),
      lengths_(std::move(items.lengths)) {}

WindowedRetriever::ItemRows WindowedRetriever::rows_of(const RetrieverModelConfig& config,
                                                       PackedMatrix item_table) {
  if (config.similarity == Similarity::kDot) return {std::move(item_table), {}};
  const int64_t items = item_table.rows(), width = item_table.columns();
  std::vector<float> rows(items * width), lengths(items);
  for (int64_t item = 0; item < items; ++item) {
    item_table.copy_row(item, rows.data() + item * width);
    lengths[item] = make_unit(rows.data() + item * width, width);
  }
  return {PackedMatrix(rows.data(), items, width, width), std::move(lengths)};
}

void WindowedRetriever::copy_item(int32_t item, float* out) const {
  item_table().copy_row(item, out);
  if (lengths_.empty()) return;
  for (int64_t i = 0; i < width(); ++i) out[i] *= lengths_[item];
}

void WindowedRetriever::run(std::span<const History> windows, ThreadPool& pool, float* out) const {
  std::vector<int64_t> begins = {0};
  int64_t positions = 0;
  for (int64_t row = 0; row < std::ssize(windows); ++row) {
    if (positions >= kTaskPositions) {
      begins.push_back(row);
      positions = 0;
    }
    positions += std::ssize(windows[row]);
  }
  begins.push_back(std::ssize(windows));
  pool.parallel_for(std::ssize(begins) - 1, [&](int64_t task, int) {
    const int64_t begin = begins[task], end = begins[task + 1];
    if (begin == end) return;
    forward(windows.subspan(begin, end - begin), out + begin * width());
    if (config().similarity == Similarity::kCosine)
      for (int64_t row = begin; row < end; ++row) make_unit(out + row * width(), width());
  });
}

}  // namespace tandem::engine
