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

namespace tandem {
namespace {

// Masks for rows that start at a place within the step's rows: as if all of them were drawn
// together.
class PlacedDropout : public DropoutRng {
 public:
  PlacedDropout(uint64_t seed, uint64_t step, int64_t first)
      : DropoutRng(seed, step), first_(first) {}

  at::Tensor keep(std::string_view site, int64_t rows, int64_t columns, double p) const override {
    if (first_ == 0) return DropoutRng::keep(site, rows, columns, p);
    return DropoutRng::keep(site, first_ + rows, columns, p).narrow(0, first_, rows).contiguous();
  }

 private:
  int64_t first_;
};

int64_t count_labels(std::span<const TrainingRow> rows) {
  int64_t labels = 0;
  for (const TrainingRow& row : rows) labels += row.num_labels();
  return labels;
}

PackedBatch to_device(PackedBatch batch, const at::Device& device) {
  if (device.is_cpu()) return batch;
  return {.items = batch.items.to(device),
          .labels = batch.labels.to(device),
          .row_starts = batch.row_starts.to(device)};
}

std::vector<TrainingRow> all_rows(const Dataset& dataset, int64_t max_length) {
  std::vector<TrainingRow> rows;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    const auto of_user = training_rows(train_items(dataset, user), max_length);
    rows.insert(rows.end(), of_user.begin(), of_user.end());
  }
  if (rows.empty()) throw DataError("{}: nothing to train on", dataset.folder().string());
  return rows;
}

}  // namespace

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

Trainer::Trainer(RetrieverModel& model, const Dataset& dataset, const RetrieverConfig& config,
                 RunFolder* folder, ProcessGroup& group, ThreadPool& pool)
    : model_(model),
      dataset_(dataset),
      config_(config),
      folder_(folder),
      group_(group),
      pool_(pool),
      rows_(all_rows(dataset, config.max_length)),
      optimizer_(model.parameters(), {.eps = config.eps, .weight_decay = config.weight_decay},
                 [&](std::string_view name) { return model.decayed(name); }) {
  const int64_t rows_a_step = config.batch * config.accumulate;
  const auto rows = static_cast<int64_t>(rows_.size());
  steps_per_epoch_ = (rows + rows_a_step - 1) / rows_a_step;
  total_steps_ = steps_per_epoch_ * config.epochs;
  if (config.max_steps > 0) total_steps_ = std::min(total_steps_, config.max_steps);
  schedule_ = {.kind = parse_schedule(config.schedule),
               .warmup_steps = config.warmup_steps,
               .total_steps = total_steps_};
  keep_best();
}

std::vector<TrainingRow> Trainer::rows_of_step(int64_t step) {
  const int64_t epoch = step / steps_per_epoch_;
  if (epoch != order_epoch_) {
    order_.resize(rows_.size());
    std::iota(order_.begin(), order_.end(), int64_t{0});
    Rng rng(static_cast<uint64_t>(config_.seed), RngPurpose::kShuffle,
            static_cast<uint32_t>(epoch));
    rng.shuffle(std::span(order_));
    order_epoch_ = epoch;
  }
  const int64_t rows_a_step = config_.batch * config_.accumulate;
  const int64_t begin = step % steps_per_epoch_ * rows_a_step;
  const int64_t end = std::min(begin + rows_a_step, static_cast<int64_t>(rows_.size()));
  std::vector<TrainingRow> rows;
  for (int64_t i = begin; i < end; ++i) rows.push_back(rows_[order_[i]]);
  return rows;
}

Trainer::StepResult Trainer::train_step() {
  const std::vector<TrainingRow> rows = rows_of_step(state_.step);
  StepResult result{.labels = count_labels(rows), .rows = static_cast<int64_t>(rows.size())};
  const at::Device device = optimizer_.gradients().device();
  optimizer_.zero_gradients();

  const int64_t parts = config_.accumulate * group_.size();
  double sums[2] = {0, interrupted() ? 1.0 : 0.0};  // the loss, and who was interrupted
  for (int64_t micro = 0; micro < config_.accumulate; ++micro) {
    const int64_t part = micro * group_.size() + group_.rank();
    const int64_t begin = result.rows * part / parts, end = result.rows * (part + 1) / parts;
    if (begin == end) continue;
    const auto own = std::span(rows).subspan(begin, end - begin);
    const PlacedDropout dropout(static_cast<uint64_t>(config_.seed),
                                static_cast<uint64_t>(state_.step),
                                count_labels(std::span(rows).first(begin)));
    const at::Tensor loss =
        retriever_loss(model_, to_device(pack_rows(own), device), &dropout)
            .mul(static_cast<double>(count_labels(own)) / static_cast<double>(result.labels));
    loss.backward();
    sums[0] += loss.item<double>();
  }
  if (group_.size() > 1) {
    at::NoGradGuard no_grad;
    const at::Tensor& gradients = optimizer_.gradients();
    const at::Tensor on_cpu = gradients.cpu();  // itself when it is there already
    group_.sum(std::span(on_cpu.data_ptr<float>(), static_cast<size_t>(on_cpu.numel())));
    if (!device.is_cpu()) gradients.copy_(on_cpu);
    group_.sum(std::span<double>(sums));
  }
  result.loss = sums[0];
  result.interrupted = sums[1] > 0;
  if (!std::isfinite(result.loss)) {
    throw Error(
        ExitCode::kFailure,
        fmt::format("training diverged: the loss of step {} is {}; lower train.lr or train.clip",
                    state_.step + 1, result.loss));
  }
  result.gradient_norm = optimizer_.clip_gradients(config_.clip);
  optimizer_.step(config_.lr * schedule_.factor(state_.step));
  state_.step += 1;
  state_.loss_sum += result.loss * static_cast<double>(result.labels);
  state_.loss_labels += result.labels;
  return result;
}

void Trainer::validate_now() {
  const ValidationMetrics metrics =
      validate(model_, dataset_,
               {.max_length = config_.max_length, .exclude_history = config_.exclude_history},
               group_, pool_);
  const double value = metrics.value(config_.metric);
  const bool gain = value > state_.best;
  if (gain) {
    state_.best = value;
    state_.best_step = state_.step;
    state_.without_gain = 0;
    keep_best();
  } else {
    state_.without_gain += 1;
    state_.stopped = config_.patience > 0 && state_.without_gain >= config_.patience;
  }
  state_.validated_step = state_.step;
  const double loss =
      state_.loss_labels > 0 ? state_.loss_sum / static_cast<double>(state_.loss_labels) : 0;
  if (folder_ != nullptr) {
    Json line = {
        {"epoch", static_cast<double>(state_.step) / static_cast<double>(steps_per_epoch_)},
        {"valid", metrics.to_json()}};
    if (state_.loss_labels > 0) line["train_loss"] = loss;
    line["best_step"] = state_.best_step;
    folder_->log(state_.step, line);
    for (const char* name : {"Recall@10", "NDCG@10", "Recall@20", "NDCG@20"}) {
      events_->scalar(fmt::format("valid/{}", name), state_.step, metrics.value(name));
    }
    const std::string train_loss =  // none before the first step
        state_.loss_labels > 0 ? fmt::format(", train loss {:.4f}", loss) : "";
    spdlog::info("step {}: {} {:.4f}, NDCG@10 {:.4f}{}{}", state_.step, config_.metric, value,
                 metrics.value("NDCG@10"), train_loss, gain ? ", the best so far" : "");
    if (gain && state_.step > 0) {
      folder_->save_state(
          "best", [&](const fs::path& folder) { write_model(folder, config_, dataset_, best_); });
    }
  }
  state_.loss_sum = 0;
  state_.loss_labels = 0;
}

void Trainer::log_losses(const StepResult& result, double lr) {
  if (folder_ == nullptr || state_.step % config_.log_every != 0) return;
  folder_->log(state_.step,
               {{"loss", result.loss}, {"gradient_norm", result.gradient_norm}, {"lr", lr}});
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
  Progress progress("train", group_.rank() == 0 ? total_steps_ : 0, "steps");
  progress.resume_at(state_.step);
  const int64_t first_step = state_.step;
  double seconds = 0;
  int64_t rows = 0;
  if (state_.validated_step < 0) validate_now();
  while (!state_.stopped && state_.step < total_steps_) {
    const Stopwatch watch;
    const double lr = config_.lr * schedule_.factor(state_.step);
    const StepResult result = train_step();
    seconds += watch.seconds();
    rows += result.rows;
    log_losses(result, lr);
    if (group_.rank() == 0) {
      progress.update(state_.step, fmt::format("loss {:.4f}, best {} {:.4f}", result.loss,
                                               config_.metric, state_.best));
    }
    const bool last = state_.step == total_steps_;
    if (state_.step % config_.valid_every == 0 || last) validate_now();
    if (state_.step % config_.checkpoint_every == 0 || last || state_.stopped ||
        result.interrupted) {
      save_checkpoint();
    }
    if (result.interrupted && !last && !state_.stopped) {
      progress.finish();
      throw Interrupted(
          "interrupted after step {}; the checkpoint is saved, --resume goes on from it",
          state_.step);
    }
  }
  if (group_.rank() == 0) progress.finish();
  if (state_.step > first_step) rows_per_second_ = static_cast<double>(rows) / seconds;

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
    timing.rows += result.rows;
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
    state["dataset_fingerprint"] = dataset_.fingerprint();
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
  const auto fingerprint = json_get<std::string>(json, "dataset_fingerprint", where);
  if (fingerprint != dataset_.fingerprint()) {
    throw DataError("{}: the run was trained on another data set (fingerprint {}, {} has {})",
                    run.string(), fingerprint, dataset_.folder().string(), dataset_.fingerprint());
  }
  load_tensors(*folder / "trainer.safetensors", checkpoint_tensors());
  state_ = TrainerState::from_json(json, where);
  optimizer_.set_steps_done(state_.step);
  if (folder_ != nullptr) {
    folder_->resume_at(state_.step);
    spdlog::info("going on from step {} of at most {}", state_.step, total_steps_);
  }
}

RetrieverModelConfig model_config(const RetrieverConfig& config, const Dataset& dataset) {
  return {.model_type = config.model_type,
          .num_items = dataset.num_items(),
          .width = config.width,
          .blocks = config.blocks,
          .heads = config.heads,
          .inner = config.model_type == "sasrec" ? config.inner : 4,
          .max_length = config.max_length,
          .dataset_fingerprint = dataset.fingerprint()};
}

void write_model(const fs::path& folder, const RetrieverConfig& config, const Dataset& dataset,
                 std::span<const NamedParameter> parameters) {
  save_tensors(folder / "model.safetensors", parameters);
  write_json(folder / "config.json", model_config(config, dataset).to_json());
}

}  // namespace tandem
