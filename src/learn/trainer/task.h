// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "core/thread_pool.h"
#include "learn/distributed/process_group.h"
#include "learn/model.h"

namespace tandem::learn {

// A part of one optimiser step: samples [begin, end) of those that the step takes, in the epoch's
// order. What a sample looks like (negatives, masks) may depend on epoch, step and its place in
// `samples`, never on how the step is cut into parts.
struct StepPart {
  std::span<const int64_t> samples;  // of the whole step
  int64_t begin = 0, end = 0;
  int64_t epoch = 0, step = 0;

  std::span<const int64_t> own() const {
    return samples.subspan(begin, static_cast<size_t>(end - begin));
  }
};

// One optimiser step.
struct Step {
  std::span<const int64_t> samples;
  int64_t labels = 0;  // of all of them
  int64_t epoch = 0, number = 0;
  int64_t accumulate = 1;  // parts that a process takes one after the other

  // Part `micro` of a process: the samples are cut by count into accumulate x processes parts.
  StepPart part(int64_t micro, const ProcessGroup& group) const;
};

// What one process makes of a step; the sum over the processes is the step's.
struct StepShare {
  double loss = 0;
  std::vector<std::pair<std::string, double>> figures = {};  // besides, for the log; the same names
};

// Elements of all parameters.
int64_t count_reals(std::span<const NamedParameter> parameters);

// What a validation found.
struct ValidationResult {
  double value = 0;                                          // of the metric that decides
  Json metrics;                                              // for metrics.jsonl
  std::vector<std::pair<std::string, double>> scalars = {};  // for TensorBoard, and people
};

// What a Trainer trains: parameters, samples, their loss, and how to judge the result. All
// processes of a group have an equal one.
class TrainingTask {
 public:
  virtual ~TrainingTask() = default;

  // Float32 leaves of autograd, always the same, in a fixed order.
  virtual std::vector<NamedParameter> parameters() const = 0;
  // Whether weight decay applies to the parameter of this name.
  virtual bool decayed(std::string_view name) const = 0;
  // What people see before the progress bar.
  virtual std::string label() const { return "train"; }
  // What a resumed run must find unchanged (data, tokenizer, ...).
  virtual std::string fingerprint() const = 0;

  virtual int64_t num_samples() const = 0;
  // The samples of an epoch in the order of training; nothing: the trainer shuffles them.
  virtual std::optional<std::vector<int64_t>> order(int64_t epoch) const {
    static_cast<void>(epoch);
    return {};
  }
  // How long a sample is (inputs, or items of its history), to find the one that takes most memory.
  virtual int64_t length(int64_t sample) const = 0;
  // Labels of some samples of an epoch; a step's loss is the mean over all its labels.
  virtual int64_t num_labels(std::span<const int64_t> samples, int64_t epoch) const = 0;
  // Adds weight x the gradient of the mean loss over the part's labels to the parameters' grad();
  // weight x that loss.
  virtual double add_gradients(const StepPart& part, double weight) const = 0;
  // This process's share of a step: adds to the parameters' grad() what, summed over the processes,
  // is the gradient of the mean loss over the step's labels. Here each of its parts by
  // add_gradients(); a task whose samples see each other does it otherwise. Collective.
  virtual StepShare add_share(const Step& step, ProcessGroup& group) const;
  // Throws where a step's figures, summed up, say that going on is useless.
  virtual void check_figures(const StepShare& step) const { static_cast<void>(step); }

  virtual bool lower_is_better() const { return false; }
  // What a validation looks at, for people: "943 users".
  virtual std::string validated_on() const = 0;
  // Collective; every process gets the same result, which does not depend on how many there are.
  virtual ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const = 0;

  // Files that make the parameters usable, into an existing folder.
  virtual void write_model(const fs::path& folder,
                           std::span<const NamedParameter> parameters) const = 0;
};

}  // namespace tandem::learn
