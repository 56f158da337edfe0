// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

namespace tandem::learn {
namespace {

at::Tensor longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

// Sum over the rows of the mean cross-entropy of their candidates, the first of each row the true
// one.
at::Tensor judgement_loss(const at::Tensor& z, const Judged& judged) {
  std::vector<float> labels, shares;
  for (size_t c = 0; c < judged.row_of.size(); ++c)
    labels.push_back(c == 0 || judged.row_of[c] != judged.row_of[c - 1] ? 1.0f : 0.0f);
  std::vector<int64_t> counts(judged.row_starts.size() - 1, 0);
  for (const int64_t row : judged.row_of) ++counts[row];
  for (const int64_t row : judged.row_of) shares.push_back(1 / static_cast<float>(counts[row]));
  const at::Tensor each = at::binary_cross_entropy_with_logits(z, at::tensor(labels).to(z.device()),
                                                               {}, {}, at::Reduction::None);
  return each.mul(at::tensor(shares).to(z.device())).sum();
}

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

HllmPositions HllmItems::positions(std::span<const ContrastiveRow> rows, bool judges) const {
  Judged judged;
  std::vector<int64_t> targets, target_items;
  const auto place = [&](int32_t item) {
    return std::ranges::lower_bound(items, item) - items.begin();
  };
  for (const ContrastiveRow& row : rows) {
    const std::span<const int32_t> shown = row.shown.items;
    if (shown.size() < 2) continue;
    for (size_t i = 1; i < shown.size(); ++i) {
      judged.inputs.push_back(place(shown[i - 1]));
      judged.times.push_back(row.shown.times[i - 1]);
      targets.push_back(place(shown[i]));
      target_items.push_back(shown[i]);
    }
    const int64_t number = std::ssize(judged.row_starts) - 1;
    judged.row_starts.push_back(std::ssize(judged.inputs));
    if (!judges) continue;
    judged.candidates.push_back(targets.back());
    for (const int32_t item : row.negatives) judged.candidates.push_back(place(item));
    judged.row_of.resize(judged.candidates.size(), number);
  }
  return {
      .judged = std::move(judged), .targets = longs(targets), .target_items = longs(target_items)};
}

ContrastFigures add_position_gradients(const Hllm& model, const HllmItems& items,
                                       const at::Tensor& vectors,
                                       std::span<const ContrastiveRow> rows,
                                       const NceFilter& filter, const StepWeights& weights) {
  const bool judges = model.config().ranking != HllmRanking::kNone;
  const HllmPositions at = items.positions(rows, judges);
  if (at.judged.inputs.empty()) return {};
  const at::Device device = vectors.device();
  const UserPass pass = user_pass(model, vectors, at.judged);
  NceInput input{.users = pass.positions,
                 .targets = vectors.index_select(0, at.targets.to(device)),
                 .negatives = vectors.index_select(0, items.negatives.to(device)),
                 .log_scale = model.logit_scale(),
                 .threshold = filter.threshold};
  if (filter.by_id) {
    input.target_ids = at.target_items.to(device);
    input.negative_ids = items.negative_items.to(device);
  }
  Contrast found = contrast(input);
  const auto positions = static_cast<double>(found.figures.positions);
  at::Tensor loss = found.mean.mul(weights.position * positions);
  if (judges) {
    const at::Tensor judgement =
        judgement_loss(judge(model, vectors, at.judged, pass), at.judged).mul(weights.row);
    found.figures.judgement = judgement.item<double>();
    loss = loss + judgement;
  }
  loss.backward();
  return found.figures;
}

}  // namespace tandem::learn
