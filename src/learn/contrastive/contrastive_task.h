// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "learn/contrastive/contrast.h"
#include "learn/contrastive/contrastive_samples.h"
#include "learn/trainer/task.h"

namespace tandem::learn {

// What every training by contrast has in common: rows with negatives drawn once a step, a learned
// temperature kept within its bounds, figures for the log, and a stop when all vectors have become
// one. A step is one contrast: its rows see each other's negatives. Everything decays, as in the
// authors' AdamW. The data set must outlive the task.
class ContrastiveTask : public TrainingTask {
 public:
  // what: the things whose vectors may collapse, for people ("items"). DataError where there is
  // nothing to train on.
  ContrastiveTask(const Dataset& dataset, const SampleOptions& samples, const NceFilter& filter,
                  std::string_view what);

  bool decayed(std::string_view) const final { return true; }
  int64_t num_samples() const final { return samples_.size(); }
  std::optional<std::vector<int64_t>> order(int64_t epoch) const final {
    return samples_.order(epoch);
  }
  int64_t length(int64_t sample) const final { return samples_.num_items(sample) - 1; }
  int64_t num_labels(std::span<const int64_t> samples, int64_t epoch) const final;
  double add_gradients(const StepPart& part, double weight) const final;
  // Figures: nce_samples, the mean number of logits that are left, and nce_top1_acc.
  StepShare add_share(const Step& step, ProcessGroup& group) const final;
  // Error with advice when nearly all negatives are dropped.
  void check_figures(const StepShare& step) const final;

  const ContrastiveSamples& samples() const { return samples_; }

 protected:
  // Rows of a step, and which of them are this process's, part by part.
  struct Rows {
    std::span<const ContrastiveRow> all;
    std::span<const StepPart> parts;

    std::span<const ContrastiveRow> of(const StepPart& part) const {
      return all.subspan(part.begin, part.end - part.begin);
    }
  };
  // Adds weight x the gradient of the loss, summed over the parts' positions. Collective.
  virtual ContrastFigures add_rows(const Rows& rows, double weight, ProcessGroup& group) const = 0;
  // Whether add_rows() also judges candidates; their loss is then a figure, and part of the loss.
  virtual bool judges() const { return false; }
  // ln of the inverse temperature; a parameter where it requires gradients.
  virtual const at::Tensor& logit_scale() const = 0;

  const NceFilter& filter() const { return filter_; }

 private:
  ContrastiveSamples samples_;
  NceFilter filter_;
  std::string_view what_;
};

}  // namespace tandem::learn
