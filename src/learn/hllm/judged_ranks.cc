// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/judged_ranks.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <set>
#include <span>

#include "core/error.h"
#include "core/rng.h"
#include "eval/metrics.h"
#include "learn/hllm/judgement.h"
#include "learn/retriever/validation.h"

namespace tandem::learn {
namespace {

constexpr int64_t kUsersAtOnce = 64;

void add_user(const Dataset& dataset, int64_t user, const JudgedOptions& options, Judged& judged) {
  const std::span<const int32_t> history = input_items(dataset, user, Split::kValid);
  const int32_t target = *target_item(dataset, user, Split::kValid);
  std::set<int32_t> known(history.begin(), history.end());
  known.insert(target);
  if (dataset.num_items() - std::ssize(known) < options.candidates - 1)
    throw DataError("user '{}' leaves {} items to judge; expected rank.candidates - 1 = {}",
                    dataset.user_id(user), dataset.num_items() - std::ssize(known),
                    options.candidates - 1);
  const size_t count = std::min(history.size(), static_cast<size_t>(options.max_length)),
               first = history.size() - count;
  for (size_t i = first; i < history.size(); ++i) {
    judged.inputs.push_back(history[i]);
    judged.times.push_back(dataset.timestamps(user)[i]);
  }
  judged.candidates.push_back(target);
  Rng rng(options.seed, RngPurpose::kNegatives, static_cast<uint32_t>(-1),
          static_cast<uint64_t>(user));
  for (int64_t drawn = 1; drawn < options.candidates;) {
    const auto item =
        static_cast<int32_t>(1 + rng.below(static_cast<uint64_t>(dataset.num_items())));
    if (!known.insert(item).second) continue;
    judged.candidates.push_back(item);
    ++drawn;
  }
  judged.row_of.resize(judged.candidates.size(), std::ssize(judged.row_starts) - 1);
  judged.row_starts.push_back(std::ssize(judged.inputs));
}

}  // namespace

double JudgedRanks::auc() const {
  double sum = 0;
  for (const int64_t above : halves)
    sum += 1 - 0.5 * static_cast<double>(above) / static_cast<double>(candidates - 1);
  return halves.empty() ? 0 : sum / static_cast<double>(halves.size());
}

double JudgedRanks::ndcg(int32_t cutoff) const {
  const Metric metric{MetricKind::kNdcg, cutoff};
  double sum = 0;
  for (const int64_t above : halves) sum += metric.value(static_cast<int32_t>(1 + (above + 1) / 2));
  return halves.empty() ? 0 : sum / static_cast<double>(halves.size());
}

JudgedRanks judged_ranks(const Hllm& model, const at::Tensor& vectors, const Dataset& dataset,
                         const JudgedOptions& options, ProcessGroup& group) {
  at::NoGradGuard no_grad;
  const std::vector<int64_t> users = validation_users(dataset, {}, options.most_users);
  JudgedRanks result{.candidates = options.candidates,
                     .halves = std::vector<int64_t>(users.size(), 0)};  // 0: another process's
  for (int64_t begin = 0, turn = 0; begin < std::ssize(users); begin += kUsersAtOnce, ++turn) {
    if (turn % group.size() != group.rank()) continue;
    const int64_t end = std::min(begin + kUsersAtOnce, std::ssize(users));
    Judged judged;
    for (int64_t i = begin; i < end; ++i) add_user(dataset, users[i], options, judged);
    const UserPass pass = model.config().ranking == HllmRanking::kLate
                              ? user_pass(model, vectors, judged)
                              : UserPass{};
    const at::Tensor z = judge(model, vectors, judged, pass).view({end - begin, -1});
    const at::Tensor truth = z.narrow(1, 0, 1);
    // ge counts the true one itself.
    const at::Tensor above = z.gt(truth).sum(1).add(z.ge(truth).sum(1)).sub(1).cpu();
    const int64_t* found = above.const_data_ptr<int64_t>();
    std::copy(found, found + (end - begin), result.halves.begin() + begin);
  }
  group.sum(result.halves);
  return result;
}

}  // namespace tandem::learn
