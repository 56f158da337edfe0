// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/trainer.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/clock.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/rng.h"
#include "learn/checkpoint/checkpoint.h"
#include "learn/distributed/sum_over.h"

namespace tandem::learn {
Json TrainerState::to_json() const {
  return {{"step", step},
          {"best", best},
          {"best_step", best_step},
          {"without_gain", without_gain},
          {"loss_sum", loss_sum},
          {"loss_labels", loss_labels},
          {"validated_step", validated_step},
          {"stopped", stopped}};
}

TrainerState TrainerState::from_json(const Json& json, const std::string& where) {
  return {.step = json_get<int64_t>(json, "step", where),
          .best = json_get<double>(json, "best", where),
          .best_step = json_get<int64_t>(json, "best_step", where),
          .without_gain = json_get<int64_t>(json, "without_gain", where),
          .loss_sum = json_get<double>(json, "loss_sum", where),
          .loss_labels = json_get<int64_t>(json, "loss_labels", where),
          .validated_step = json_get<int64_t>(json, "validated_step", where),
          .stopped = json_get<bool>(json, "stopped", where)};
}

Trainer::Trainer(TrainingTask& task, const TrainOptions& options, RunFolder* folder,
                 ProcessGroup& group, ThreadPool& pool)
    : task_(task),
      options_(options),
      folder_(folder),
      group_(group),
      pool_(pool),
      optimizer_(task.parameters(), {.eps = options.eps, .weight_decay = options.weight_decay},
                 [&](std::string_view name) { return task.decayed(name); }) {
  const TrainingLength length = options.length(task.num_samples());
  steps_per_epoch_ = length.steps_per_epoch;
  total_steps_ = length.total_steps;
  schedule_ = {.kind = parse_schedule(options.schedule),
               .warmup_steps = options.warmup(total_steps_),
               .total_steps = total_steps_};
  keep_best();
}

std::vector<int64_t> Trainer::samples_of_step(int64_t step) {
  const int64_t epoch = step / steps_per_epoch_;
  if (epoch != order_epoch_) {
    if (auto order = task_.order(epoch)) {
      order_ = std::move(*order);
    } else {
      order_.resize(task_.num_samples());
      std::iota(order_.begin(), order_.end(), int64_t{0});
      Rng rng(static_cast<uint64_t>(options_.seed), RngPurpose::kShuffle,
              static_cast<uint32_t>(epoch));
      rng.shuffle(std::span(order_));
    }
    order_epoch_ = epoch;
  }
  const int64_t samples_a_step = options_.batch * options_.accumulate;
  const int64_t begin = step % steps_per_epoch_ * samples_a_step;
  const int64_t end = std::min(begin + samples_a_step, task_.num_samples());
  return {order_.begin() + begin, order_.begin() + end};
}

Trainer::StepResult Trainer::train_step() {
  const std::vector<int64_t> samples = samples_of_step(state_.step);
  const int64_t epoch = state_.step / steps_per_epoch_;
  StepResult result{.labels = task_.num_labels(samples, epoch), .samples = std::ssize(samples)};
  optimizer_.zero_gradients();

  const double stopped = interrupted() ? 1 : 0;  // asked once, so that all processes stop together
  StepShare share = task_.add_share({.samples = samples,
                                     .labels = result.labels,
                                     .epoch = epoch,
                                     .number = state_.step,
                                     .accumulate = options_.accumulate},
                                    group_);
  std::vector<double> sums{share.loss, stopped};
  for (const auto& [name, value] : share.figures) sums.push_back(value);
  sum_over(group_, optimizer_.gradients());
  group_.sum(std::span<double>(sums));
  for (size_t i = 0; i < share.figures.size(); ++i) share.figures[i].second = sums[2 + i];
  result.figures = share.figures;
  share.loss = sums[0];
  result.loss = sums[0];
  result.interrupted = sums[1] > 0;
  if (!std::isfinite(result.loss)) {
    throw Error(ExitCode::kFailure, fmt::format("training diverged: the loss of step {} is {}; "
                                                "lower train.lr or train.clip",
                                                state_.step + 1, result.loss));
  }
  task_.check_figures(share);
  result.gradient_norm = optimizer_.clip_gradients(options_.clip);
  optimizer_.step(options_.lr * schedule_.factor(state_.step));
  state_.step += 1;
  state_.loss_sum += result.loss * static_cast<double>(result.labels);
  state_.loss_labels += result.labels;
  return result;
}

bool Trainer::out_of_patience() const {
  return options_.patience > 0 && state_.without_gain >= options_.patience;
}

void Trainer::validate_now() {
  const Stopwatch watch;
  const ValidationResult valid = task_.validate(group_, pool_);
  pace_.validated(watch.seconds());
  const bool gain =
      state_.validated_step < 0 ||
      (task_.lower_is_better() ? valid.value < state_.best : valid.value > state_.best);
  if (gain) {
    state_.best = valid.value;
    state_.best_step = state_.step;
    state_.without_gain = 0;
    keep_best();
  } else {
    state_.without_gain += 1;
    state_.stopped = out_of_patience();
  }
  state_.validated_step = state_.step;
  const double loss =
      state_.loss_labels > 0 ? state_.loss_sum / static_cast<double>(state_.loss_labels) : 0;
  if (folder_ != nullptr) {
    Json line = {
        {"epoch", static_cast<double>(state_.step) / static_cast<double>(steps_per_epoch_)},
        {"valid", valid.metrics}};
    if (state_.loss_labels > 0) line["train_loss"] = loss;
    line["best_step"] = state_.best_step;
    folder_->log(state_.step, line);
    std::string others;
    for (const auto& [name, value] : valid.scalars) {
      events_->scalar(fmt::format("valid/{}", name), state_.step, value);
      if (name == "NDCG@10" && name != options_.metric)
        others = fmt::format(", NDCG@10 {:.4f}", value);
    }
    const std::string train_loss =  // none before the first step
        state_.loss_labels > 0 ? fmt::format(", train loss {:.4f}", loss) : "";
    spdlog::info("step {}: {} {:.4f}{}{}{}", state_.step, options_.metric, valid.value, others,
                 train_loss, gain ? ", the best so far" : "");
    if (gain && state_.step > 0) {
      folder_->save_state("best",
                          [&](const fs::path& folder) { task_.write_model(folder, best_); });
    }
  }
  state_.loss_sum = 0;
  state_.loss_labels = 0;
}

void Trainer::log_losses(const StepResult& result, double lr) {
  if (folder_ == nullptr || state_.step % options_.log_every != 0) return;
  Json line{{"loss", result.loss}, {"gradient_norm", result.gradient_norm}, {"lr", lr}};
  for (const auto& [name, value] : result.figures) {
    line[name] = value;
    events_->scalar(fmt::format("train/{}", name), state_.step, value);
  }
  folder_->log(state_.step, line);
  events_->scalar("train/loss", state_.step, result.loss);
  events_->scalar("train/gradient_norm", state_.step, result.gradient_norm);
  events_->scalar("train/lr", state_.step, lr);
}

void Trainer::run() {
  const InterruptGuard guard;
  if (folder_ != nullptr) {
    events_.emplace(folder_->path(),
                    state_.step > 0 ? std::optional(state_.step + 1) : std::nullopt);
  }
  Progress progress(task_.label(), group_.rank() == 0 ? total_steps_ : 0, "steps");
  progress.resume_at(state_.step);
  const int64_t first_step = state_.step;
  double seconds = 0;
  int64_t samples = 0;
  if (state_.validated_step < 0) validate_now();
  while (!state_.stopped && state_.step < total_steps_) {
    const Stopwatch watch;
    const double lr = options_.lr * schedule_.factor(state_.step);
    const StepResult result = train_step();
    pace_.stepped(watch.seconds());
    seconds += watch.seconds();
    samples += result.samples;
    log_losses(result, lr);
    const bool last = state_.step == total_steps_;
    if (state_.step % options_.valid_every == 0 || last) validate_now();
    if (group_.rank() == 0) {  // after the validation, which may have found a new best
      progress.expect(pace_.seconds_left(state_.step, total_steps_, options_.valid_every),
                      options_.patience > 0);
      progress.update(state_.step, fmt::format("loss {:.4f}, best {} {:.4f}", result.loss,
                                               options_.metric, state_.best));
    }
    if (state_.step % options_.checkpoint_every == 0 || last || state_.stopped ||
        result.interrupted) {
      save_checkpoint();
    }
    if (result.interrupted && !last && !state_.stopped) {
      progress.finish();
      throw Interrupted(
          "interrupted after step {}; the checkpoint is saved, "
          "--resume goes on from it",
          state_.step);
    }
  }
  if (group_.rank() == 0) progress.finish();
  if (state_.step > first_step) samples_per_second_ = static_cast<double>(samples) / seconds;

  at::NoGradGuard no_grad;
  const std::vector<NamedParameter>& parameters = optimizer_.parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    parameters[i].value.detach().copy_(best_[i].value);
  }
}

Trainer::Timing Trainer::time_steps(int64_t steps) {
  Timing timing;
  const Stopwatch watch;
  for (int64_t i = 0; i < steps; ++i) {
    const StepResult result = train_step();
    timing.samples += result.samples;
    timing.labels += result.labels;
  }
  timing.seconds = watch.seconds();
  return timing;
}

void Trainer::keep_best() {
  at::NoGradGuard no_grad;
  best_.clear();
  for (const NamedParameter& parameter : optimizer_.parameters()) {
    best_.push_back({parameter.name, parameter.value.detach().clone()});
  }
}

std::vector<NamedParameter> Trainer::checkpoint_tensors() const {
  std::vector<NamedParameter> tensors;
  for (const NamedParameter& parameter : optimizer_.parameters()) {
    tensors.push_back({"model." + parameter.name, parameter.value});
  }
  for (const NamedParameter& best : best_) tensors.push_back({"best." + best.name, best.value});
  for (NamedParameter& moment : optimizer_.state()) tensors.push_back(std::move(moment));
  return tensors;
}

void Trainer::save_checkpoint() {
  if (folder_ == nullptr) return;
  folder_->save_state("last", [&](const fs::path& folder) {
    save_tensors(folder / "trainer.safetensors", checkpoint_tensors());
    Json state = state_.to_json();
    state["inputs"] = task_.fingerprint();
    write_json(folder / "trainer.json", state);
  });
}

void Trainer::resume(const fs::path& run) {
  group_.barrier();
  const auto folder = RunFolder::open(run).state("last");
  if (!folder) {
    if (folder_ != nullptr) folder_->resume_at(-1);
    spdlog::info("{}: no checkpoint yet, starting from the beginning", run.string());
    return;
  }
  const std::string where = (*folder / "trainer.json").string();
  const Json json = read_json(*folder / "trainer.json");
  const auto fingerprint = json_get<std::string>(json, "inputs", where);
  if (fingerprint != task_.fingerprint()) {
    throw DataError(
        "{}: the run was trained on other data (fingerprint {}, "
        "what is given now has {})",
        run.string(), fingerprint, task_.fingerprint());
  }
  load_tensors(*folder / "trainer.safetensors", checkpoint_tensors());
  state_ = TrainerState::from_json(json, where);
  state_.stopped = out_of_patience();
  optimizer_.set_steps_done(state_.step);
  if (folder_ != nullptr) {
    folder_->resume_at(state_.step);
    spdlog::info("going on from step {} of at most {}", state_.step, total_steps_);
  }
}

}  // namespace tandem::learn
