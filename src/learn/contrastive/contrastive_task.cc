// SPDX-License-Identifier: Apache-2.0
#include "learn/contrastive/contrastive_task.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace tandem::learn {
namespace {

constexpr double kLargestScale = 100;
// Below this a position has hardly a negative left to learn from.
constexpr double kCollapsed = 2;

}  // namespace

ContrastiveTask::ContrastiveTask(const Dataset& dataset, const SampleOptions& samples,
                                 const NceFilter& filter, std::string_view what)
    : samples_(dataset, samples), filter_(filter), what_(what) {
  if (samples_.size() == 0)
    throw DataError("{}: no user has two items to train on", dataset.folder().string());
}

int64_t ContrastiveTask::num_labels(std::span<const int64_t> samples, int64_t) const {
  int64_t labels = 0;
  for (const int64_t sample : samples) labels += samples_.num_items(sample) - 1;
  return labels;
}

double ContrastiveTask::add_gradients(const StepPart& part, double weight) const {
  const int64_t labels = num_labels(part.own(), part.epoch);
  if (labels == 0) return 0;
  const double each = weight / static_cast<double>(labels);
  const std::vector<ContrastiveRow> rows = samples_.rows(part.samples, part.epoch, part.step);
  const ContrastFigures found = add_rows({.all = rows, .parts = {&part, 1}}, each, alone());
  return found.loss * each + found.judgement;
}

StepShare ContrastiveTask::add_share(const Step& step, ProcessGroup& group) const {
  if (logit_scale().requires_grad()) {
    at::NoGradGuard no_grad;
    logit_scale().detach().clamp_(0, std::log(kLargestScale));
  }
  std::vector<StepPart> parts;
  for (int64_t micro = 0; micro < step.accumulate; ++micro)
    parts.push_back(step.part(micro, group));
  const std::vector<ContrastiveRow> rows = samples_.rows(step.samples, step.epoch, step.number);
  // Compat alone: a step whose rows have one item each has no label, and no figures either.
  const auto labels = static_cast<double>(step.labels);
  const double weight = step.labels > 0 ? 1 / labels : 0;
  const ContrastFigures sum = add_rows({.all = rows, .parts = parts}, weight, group);
  StepShare share{
      .loss = sum.loss * weight + sum.judgement,
      .figures = {{"nce_samples", sum.survivors / labels}, {"nce_top1_acc", sum.first / labels}}};
  if (judges()) share.figures.emplace_back("judgement", sum.judgement);
  return share;
}

void ContrastiveTask::check_figures(const StepShare& step) const {
  const double survivors = step.figures[0].second;
  if (!(survivors < kCollapsed)) return;
  throw Error(ExitCode::kFailure,
              fmt::format("the {} have collapsed: of each position's negatives {:.2f} are left, "
                          "the others are as near to its target as nce.threshold {}; lower "
                          "train.lr, warm up for longer, or take more rows a step (train.batch) or "
                          "negatives (nce.negatives)",
                          what_, survivors - 1, filter_.threshold));
}

}  // namespace tandem::learn
