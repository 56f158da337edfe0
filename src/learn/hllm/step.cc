// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

namespace tandem::learn {
namespace {

at::Tensor longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

}  // namespace

HllmItems::HllmItems(std::span<const ContrastiveRow> rows) {
  std::vector<int64_t> drawn;
  for (const ContrastiveRow& row : rows) {
    if (row.shown.items.size() > 1)
      items.insert(items.end(), row.shown.items.begin(), row.shown.items.end());
    items.insert(items.end(), row.negatives.begin(), row.negatives.end());
    drawn.insert(drawn.end(), row.negatives.begin(), row.negatives.end());
  }
  std::ranges::sort(items);
  const auto repeats = std::ranges::unique(items);
  items.erase(repeats.begin(), repeats.end());
  negative_items = longs(drawn);
  for (int64_t& item : drawn)
    item = std::ranges::lower_bound(items, static_cast<int32_t>(item)) - items.begin();
  negatives = longs(drawn);
}

HllmPositions HllmItems::positions(std::span<const ContrastiveRow> rows) const {
  std::vector<int64_t> inputs, targets, target_items, times, starts{0};
  const auto place = [&](int32_t item) {
    return std::ranges::lower_bound(items, item) - items.begin();
  };
  for (const ContrastiveRow& row : rows) {
    for (size_t i = 1; i < row.shown.items.size(); ++i) {
      inputs.push_back(place(row.shown.items[i - 1]));
      times.push_back(row.shown.times[i - 1]);
      targets.push_back(place(row.shown.items[i]));
      target_items.push_back(row.shown.items[i]);
    }
    if (row.shown.items.size() > 1) starts.push_back(std::ssize(inputs));
  }
  return {.inputs = longs(inputs),
          .targets = longs(targets),
          .target_items = longs(target_items),
          .times = longs(times),
          .row_starts = longs(starts)};
}

ContrastFigures add_position_gradients(const Hllm& model, const HllmItems& items,
                                       const at::Tensor& vectors,
                                       std::span<const ContrastiveRow> rows,
                                       const NceFilter& filter, double weight) {
  const HllmPositions at = items.positions(rows);
  if (at.inputs.numel() == 0) return {};
  const at::Device device = vectors.device();
  const auto of = [&](const at::Tensor& places) {
    return vectors.index_select(0, places.to(device));
  };
  NceInput input{
      .users = model.user_states(model.user_inputs(of(at.inputs), at.times), at.row_starts),
      .targets = of(at.targets),
      .negatives = of(items.negatives),
      .log_scale = model.logit_scale(),
      .threshold = filter.threshold};
  if (filter.by_id) {
    input.target_ids = at.target_items.to(device);
    input.negative_ids = items.negative_items.to(device);
  }
  return add_contrast_gradients(input, weight);
}

}  // namespace tandem::learn
