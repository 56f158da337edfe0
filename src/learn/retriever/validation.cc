// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/validation.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "engine/kernels/score_topk.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using History = std::span<const int32_t>;

// What users are asked with: histories, and when their items were.
struct Asked {
  std::vector<History> histories;
  std::vector<std::span<const int64_t>> times;
  std::vector<int32_t> targets;
};

// One row's held-out item among all scores, where the model is not on the CPU.
std::vector<int64_t> ranks_on_device(const at::Tensor& hidden, const at::Tensor& table,
                                     const at::Tensor& bias, std::span<const int32_t> targets,
                                     std::span<const History> excluded) {
  at::Tensor scores = at::addmm(bias, hidden, table.t());  // [B, N+1]
  if (!excluded.empty()) {
    std::vector<int64_t> cells;
    for (size_t row = 0; row < excluded.size(); ++row) {
      const int64_t first = static_cast<int64_t>(row) * scores.size(1);
      cells.push_back(first + kPaddingItem);
      for (const int32_t item : excluded[row]) cells.push_back(first + item);
    }
    const at::Tensor where = at::tensor(cells, at::kLong).to(scores.device());
    scores.view({-1}).index_fill_(0, where, engine::kExcludedScore);
  }
  const std::vector<int64_t> wide(targets.begin(), targets.end());
  const at::Tensor truth =
      scores.gather(1, at::tensor(wide, at::kLong).to(scores.device()).unsqueeze(1));
  const at::Tensor counted = scores.gt(truth).sum(1).add(1).cpu();
  const int64_t* data = counted.const_data_ptr<int64_t>();
  std::vector<int64_t> ranks(data, data + counted.numel());
  for (size_t row = 0; row < excluded.size(); ++row)
    if (std::ranges::find(excluded[row], targets[row]) != excluded[row].end()) ranks[row] = 0;
  return ranks;
}

std::vector<int64_t> ranks_on_cpu(const at::Tensor& hidden, const at::Tensor& table,
                                  const at::Tensor& bias, std::span<const int32_t> targets,
                                  std::span<const History> excluded, ThreadPool& pool) {
  const at::Tensor rows = hidden.contiguous(), items = table.contiguous(),
                   offsets = bias.contiguous();
  const engine::ScoreProblem problem{.hidden = rows.const_data_ptr<float>(),
                                     .rows = rows.size(0),
                                     .width = rows.size(1),
                                     .table = items.const_data_ptr<float>(),
                                     .bias = offsets.const_data_ptr<float>(),
                                     .num_items = items.size(0) - 1,
                                     .excluded = excluded,
                                     .exclude_padding = !excluded.empty()};
  std::vector<int64_t> ranks;
  for (const engine::TargetRank& target : engine::score_rank(problem, targets, pool))
    ranks.push_back(target.rank);
  return ranks;
}

// Beside the padding item.
History excluded_of(History history, const TrainingObjective& objective, Excluded exclude) {
  if (exclude == Excluded::kHistory) return history;
  return exclude == Excluded::kInput ? objective.seen(history) : History();
}

std::vector<int64_t> rank_users(const Retriever& model, const TrainingObjective& objective,
                                int64_t num_items, const Asked& asked, size_t begin, size_t count,
                                const ValidationOptions& options, ThreadPool& pool) {
  // What lies behind the items (a mask) is never recommended.
  const at::Tensor table = model.item_table().detach().narrow(0, 0, num_items + 1);
  const at::Tensor bias = model.item_bias().detach().narrow(0, 0, num_items + 1);
  std::vector<std::vector<int64_t>> questions;
  std::vector<History> excluded;
  std::vector<int64_t> times;
  for (size_t user = begin; user < begin + count; ++user) {
    const History history = asked.histories[user];
    questions.push_back(objective.question(history));
    if (model.reads_times()) {
      const auto seen = asked.times[user].last(questions.back().size());
      times.insert(times.end(), seen.begin(), seen.end());
    }
    if (options.exclude != Excluded::kNothing)
      excluded.push_back(excluded_of(history, objective, options.exclude));
  }
  PackedBatch batch = pack_questions(questions).to(table.device());
  if (model.reads_times()) batch.times = at::tensor(times, at::kLong);
  const std::span targets = std::span(asked.targets).subspan(begin, count);
  const at::Tensor hidden = model.hidden(batch, nullptr);  // [B, D]
  return takes_kernel(table) ? ranks_on_cpu(hidden, table, bias, targets, excluded, pool)
                             : ranks_on_device(hidden, table, bias, targets, excluded);
}

}  // namespace

std::vector<int64_t> validation_users(const Dataset& dataset, const UserFolds& folds,
                                      int64_t most_users) {
  std::vector<int64_t> users;
  for (int64_t user = 0; user < dataset.num_users(); ++user)
    if (target_item(dataset, user, Split::kValid) && folds.trains(user)) users.push_back(user);
  if (most_users > 0 && most_users < std::ssize(users)) users.resize(most_users);
  return users;
}

std::vector<int64_t> validation_ranks(const Retriever& model, const TrainingObjective& objective,
                                      const Dataset& dataset, const ValidationOptions& options,
                                      ProcessGroup& group, ThreadPool& pool) {
  at::NoGradGuard no_grad;
  Asked asked;
  for (const int64_t user : validation_users(dataset, options.folds, options.most_users)) {
    asked.histories.push_back(input_items(dataset, user, Split::kValid));
    asked.times.push_back(dataset.timestamps(user).first(asked.histories.back().size()));
    asked.targets.push_back(*target_item(dataset, user, Split::kValid));
  }
  const size_t users = asked.targets.size();
  std::vector<int64_t> ranks(users, 0);  // 0 where another process ranks
  for (size_t at = 0, turn = 0; at < users; at += options.batch, ++turn) {
    if (static_cast<int>(turn % group.size()) != group.rank()) continue;
    const size_t count = std::min(users - at, static_cast<size_t>(options.batch));
    const auto part =
        rank_users(model, objective, dataset.num_items(), asked, at, count, options, pool);
    std::copy(part.begin(), part.end(), ranks.begin() + static_cast<int64_t>(at));
  }
  group.sum(ranks);
  return ranks;
}

}  // namespace tandem::learn
