// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "formats/run_folder.h"
#include "formats/tensorboard.h"
#include "learn/distributed/process_group.h"
#include "learn/optim/adamw.h"
#include "learn/optim/schedule.h"
#include "learn/trainer/pace.h"
#include "learn/trainer/task.h"
#include "learn/trainer/train_options.h"

namespace tandem::learn {

// Where a run stands between two steps. Together with the tensors this is all
// that a resumed run needs: order and dropout are functions of (seed, step).
struct TrainerState {
  int64_t step = 0;  // optimiser steps done
  double best = -1;  // best value of the deciding metric
  int64_t best_step = 0;
  int64_t without_gain = 0;  // validations since
  double loss_sum = 0;       // since the last validation: of losses over labels, and their number
  int64_t loss_labels = 0;
  int64_t validated_step = -1;
  bool stopped = false;  // early stopping has fired

  Json to_json() const;
  static TrainerState from_json(const Json& json, const std::string& where);
};

// The loop of every training: order of samples, accumulation, clipping,
// schedule, validation, early stopping, checkpoints; alone or as one of a group
// of processes.
//
// A step takes batch x accumulate samples in the epoch's shuffled order, cut by
// count into accumulate x processes parts. The loss is the mean over all labels
// of the step: each part's is weighted by its share of them before the
// gradients are added up, and tasks draw by a sample's place in the whole step.
// So neither accumulation nor the number of processes changes anything but
// rounding.
class Trainer {
 public:
  // The options must have been checked. folder is null on all processes but the
  // first. All must outlive the trainer.
  Trainer(TrainingTask& task, const TrainOptions& options, RunFolder* folder, ProcessGroup& group,
          ThreadPool& pool);

  // Loads the newest checkpoint below the run folder at path, if there is one.
  void resume(const fs::path& run);
  // Trains until early stopping or the last step, then gives the model the best
  // parameters. Throws Interrupted with a checkpoint saved after SIGINT or
  // SIGTERM.
  void run();

  struct Timing {
    int64_t samples = 0, labels = 0;
    double seconds = 0;
  };
  // The next `steps` steps and nothing else: no validation, no files, no end of
  // the schedule.
  Timing time_steps(int64_t steps);

  const TrainerState& state() const { return state_; }
  int64_t total_steps() const { return total_steps_; }
  // Samples trained per second by this call of run(), validation left out.
  double samples_per_second() const { return samples_per_second_; }

 private:
  struct StepResult {
    double loss = 0, gradient_norm = 0;
    int64_t labels = 0, samples = 0;
    bool interrupted = false;
    std::vector<std::pair<std::string, double>> figures = {};  // of the task
  };
  StepResult train_step();
  std::vector<int64_t> samples_of_step(int64_t step);
  void validate_now();
  bool out_of_patience() const;
  void log_losses(const StepResult& result, double lr);
  void save_checkpoint();
  void keep_best();
  std::vector<NamedParameter> checkpoint_tensors() const;

  TrainingTask& task_;
  const TrainOptions& options_;
  RunFolder* folder_;
  ProcessGroup& group_;
  ThreadPool& pool_;
  std::vector<int64_t> order_;  // of epoch order_epoch_
  int64_t order_epoch_ = -1;
  int64_t steps_per_epoch_ = 0, total_steps_ = 0;
  AdamW optimizer_;
  Schedule schedule_;
  std::vector<NamedParameter> best_;  // copies
  TrainerState state_;
  TrainingPace pace_;
  std::optional<EventWriter> events_;
  double samples_per_second_ = 0;
};

}  // namespace tandem::learn
