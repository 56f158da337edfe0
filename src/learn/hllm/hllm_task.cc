// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/hllm_task.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "learn/ops/nce_loss.h"
#include "learn/retriever/validation.h"
#include "learn/trainer/validation_metrics.h"
#include "rank/catalogue.h"

namespace tandem::learn {
namespace {

using History = std::span<const int32_t>;

// Below this a position has hardly a negative left to learn from.
constexpr double kCollapsed = 2;

}  // namespace

HllmTask::HllmTask(const Hllm& model, const ContrastiveSamples& samples, const Dataset& dataset,
                   const HllmOptions& options, HllmInputs inputs, TowerOrigin item,
                   TowerOrigin user)
    : model_(model),
      samples_(samples),
      dataset_(dataset),
      options_(options),
      inputs_(std::move(inputs)),
      item_(std::move(item)),
      user_(std::move(user)) {
  if (samples_.size() == 0) throw DataError("no user has two items to train on");
}

int64_t HllmTask::length(int64_t sample) const { return samples_.num_items(sample); }

int64_t HllmTask::num_labels(std::span<const int64_t> samples, int64_t) const {
  int64_t labels = 0;
  for (const int64_t sample : samples) labels += samples_.num_items(sample) - 1;
  return labels;
}

// Of the step's items; made once where nothing that makes them is trained.
at::Tensor HllmTask::known_vectors(ProcessGroup& group) const {
  if (!known_.defined())
    known_ = encode_all_items(model_, inputs_.tokens, options_.chunk_tokens, group);
  return known_;
}

StepShare HllmTask::add_share(const Step& step, ProcessGroup& group) const {
  {
    at::NoGradGuard no_grad;
    model_.logit_scale().detach().clamp_(0, std::log(100.0));
  }
  const std::vector<ContrastiveRow> rows = samples_.rows(step.samples, step.epoch, step.number);
  const HllmItems items(rows);
  std::optional<ItemEncoding> encoding;
  at::Tensor vectors;
  if (model_.trains_items()) {
    encoding.emplace(model_, inputs_.tokens, items.items, options_.chunk_tokens, group);
    vectors = encoding->vectors();
  } else {
    const std::vector<int64_t> places(items.items.begin(), items.items.end());
    const at::Tensor known = known_vectors(group);
    vectors = known.index_select(0, at::tensor(places, at::kLong).to(known.device()));
  }
  HllmFigures found;
  const double weight = 1 / static_cast<double>(step.labels);
  for (int64_t micro = 0; micro < step.accumulate; ++micro) {
    const StepPart part = step.part(micro, group);
    found.add(add_position_gradients(model_, items, vectors,
                                     std::span(rows).subspan(part.begin, part.end - part.begin),
                                     options_.nce, weight));
  }
  if (encoding) encoding->backward();
  return {.loss = found.loss * weight,
          .figures = {{"nce_samples", found.survivors * weight},
                      {"nce_top1_acc", found.first * weight}}};
}

double HllmTask::add_gradients(const StepPart& part, double weight) const {
  const Step step{.samples = part.own(),
                  .labels = num_labels(part.own(), part.epoch),
                  .epoch = part.epoch,
                  .number = part.step};
  if (step.labels == 0) return 0;
  return add_share(step, alone()).loss * weight;
}

void HllmTask::check_figures(const StepShare& step) const {
  const double survivors = step.figures[0].second;
  if (survivors >= kCollapsed) return;
  throw Error(
      ExitCode::kFailure,
      fmt::format("the towers have collapsed: of each position's negatives {:.2f} are left, "
                  "the others are as near to its target as nce.threshold {}; lower "
                  "train.lr, raise train.warmup_share, or take more rows a step "
                  "(train.batch) or negatives (nce.negatives)",
                  survivors - 1, options_.nce.threshold));
}

std::vector<int64_t> HllmTask::valid_users() const {
  std::vector<int64_t> users = validation_users(dataset_, {});
  if (options_.valid_users > 0 && options_.valid_users < std::ssize(users))
    users.resize(options_.valid_users);
  return users;
}

std::string HllmTask::validated_on() const { return fmt::format("{} users", valid_users().size()); }

ValidationResult HllmTask::validate(ProcessGroup& group, ThreadPool& pool) const {
  at::NoGradGuard no_grad;
  constexpr int64_t kUsersAtOnce = 256;
  const at::Tensor vectors =
      model_.trains_items() ? encode_all_items(model_, inputs_.tokens, options_.chunk_tokens, group)
                            : known_vectors(group);
  const at::Tensor table = unit_rows(vectors), bias = at::zeros({table.size(0)}, table.options());
  const std::vector<int64_t> users = valid_users();
  std::vector<int64_t> ranks(users.size(), 0);  // 0 where another process ranks
  for (int64_t at = 0, turn = 0; at < std::ssize(users); at += kUsersAtOnce, ++turn) {
    if (turn % group.size() != group.rank()) continue;
    const int64_t end = std::min(at + kUsersAtOnce, std::ssize(users));
    std::vector<int64_t> inputs, starts{0};
    std::vector<int32_t> targets;
    std::vector<History> excluded;
    for (int64_t i = at; i < end; ++i) {
      const History history = input_items(dataset_, users[i], Split::kValid);
      const History seen = history.last(std::min<size_t>(history.size(), options_.max_length));
      inputs.insert(inputs.end(), seen.begin(), seen.end());
      starts.push_back(std::ssize(inputs));
      targets.push_back(*target_item(dataset_, users[i], Split::kValid));
      excluded.push_back(options_.exclude_history ? history : History());
    }
    const at::Tensor row_starts = at::tensor(starts, at::kLong);
    const at::Tensor states = model_.user_states(
        vectors.index_select(0, at::tensor(inputs, at::kLong).to(vectors.device())), row_starts,
        row_starts.slice(0, 1) - 1);
    const std::vector<int64_t> part =
        target_ranks(unit_rows(states), table, bias, targets, excluded, pool);
    std::ranges::copy(part, ranks.begin() + at);
  }
  group.sum(std::span<int64_t>(ranks));
  const ValidationMetrics metrics = metrics_of_ranks(ranks, kHllmCutoffs);
  ValidationResult result{.value = metrics.value(options_.metric), .metrics = metrics.to_json()};
  for (const char* name : {"Recall@10", "NDCG@10", "Recall@200", "NDCG@200"})
    result.scalars.emplace_back(name, metrics.value(name));
  return result;
}

void HllmTask::write_model(const fs::path& folder,
                           std::span<const NamedParameter> parameters) const {
  write_item_ids(folder, dataset_);
  const std::optional<LoraConfig>& item_lora = model_.item_llm().options().lora;
  const std::optional<LoraConfig>& user_lora = model_.user_llm().options().lora;
  const LoraConfig lora = item_lora ? *item_lora : user_lora.value_or(LoraConfig{});
  write_hllm(folder, model_.config(), model_.extras(), lora, item_,
             model_.config().shared_towers ? nullptr : &user_, parameters);
}

}  // namespace tandem::learn
