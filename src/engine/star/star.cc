// SPDX-License-Identifier: Apache-2.0
#include "engine/star/star.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace tandem::engine {
namespace {

constexpr int64_t kWholeHistory = int64_t{1} << 20;

RetrieverModelConfig retriever_config(const ItemVectors& vectors) {
  return {.model_type = kStarModelType,
          .num_items = vectors.num_items(),
          .width = vectors.width(),
          .max_length = kWholeHistory};
}

}  // namespace

Star::Star(const StarConfig& config, const ItemVectors& vectors, Cooccurrence cooccurrence,
           std::vector<uint8_t> known)
    : TableRetriever(retriever_config(vectors), unit_table(vectors), {}, std::move(known)),
      star_(config),
      cooccurrence_(std::move(cooccurrence)) {
  if (cooccurrence_.num_items() != num_items())
    throw ShapeError("star: co-occurrences of {} items, vectors of {}", cooccurrence_.num_items(),
                     num_items());
}

Json Star::describe() const {
  StarConfig config = star_;
  config.num_items = num_items();
  config.dataset_fingerprint = "";
  return config.to_json();
}

std::vector<Star::Weighted> Star::counting(const History& window) const {
  const auto count = std::min(std::ssize(window), static_cast<std::ptrdiff_t>(star_.length));
  std::vector<Weighted> items;
  double weight = 1 / static_cast<double>(count);
  for (int64_t back = 1; back <= count; ++back, weight *= star_.recency) {
    const int32_t item = window[window.size() - static_cast<size_t>(back)];
    if (item != 0) items.push_back({item, weight});  // 0 stands for a new user's history
  }
  return items;
}

void Star::run(std::span<const History> windows, ThreadPool& pool, float* out) const {
  std::vector<std::vector<float>> rows(pool.size(), std::vector<float>(width()));
  pool.parallel_for(std::ssize(windows), [&](int64_t w, int worker) {
    std::vector<float>& row = rows[worker];
    float* sum = out + w * width();
    std::fill_n(sum, width(), 0.0f);
    for (const auto& [item, weight] : counting(windows[w])) {
      item_table().copy_row(item, row.data());
      const auto factor = static_cast<float>(star_.semantic_weight * weight);
      for (int64_t d = 0; d < width(); ++d) sum[d] += factor * row[d];
    }
  });
}

std::vector<std::vector<SparseTerm>> Star::added(std::span<const History> windows) const {
  std::vector<std::vector<SparseTerm>> terms(windows.size());
  for (size_t w = 0; w < windows.size(); ++w)
    for (const auto& [item, weight] : counting(windows[w])) {
      const auto [items, similarities] = cooccurrence_.row(item);
      terms[w].push_back(
          {static_cast<float>((1 - star_.semantic_weight) * weight), items, similarities});
    }
  return terms;
}

}  // namespace tandem::engine
