// SPDX-License-Identifier: Apache-2.0
#include "engine/windowed_retriever.h"

#include <utility>

namespace tandem::engine {
namespace {

// Positions of one task, cut by the histories' lengths alone.
constexpr int64_t kTaskPositions = 512;

}  // namespace

WindowedRetriever::WindowedRetriever(const RetrieverWeights& weights, PackedMatrix item_table,
                                     std::vector<float> item_bias)
    : TableRetriever(weights.config(), std::move(item_table), std::move(item_bias),
                     {weights.known().begin(), weights.known().end()}) {}

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
    if (begin < end) forward(windows.subspan(begin, end - begin), out + begin * width());
  });
}

}  // namespace tandem::engine
