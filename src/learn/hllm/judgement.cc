// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/judgement.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

namespace tandem::learn {
namespace {

at::Tensor longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

at::Tensor rows_of(const at::Tensor& vectors, const std::vector<int64_t>& places) {
  return vectors.index_select(0, longs(places).to(vectors.device()));
}

// The User LLM's inputs for the histories, times included, [P, D].
at::Tensor inputs_of(const Hllm& model, const at::Tensor& vectors, const Judged& judged) {
  return model.user_inputs(rows_of(vectors, judged.inputs), longs(judged.times));
}

}  // namespace

UserPass user_pass(const Hllm& model, const at::Tensor& vectors, const Judged& judged) {
  const at::Tensor inputs = inputs_of(model, vectors, judged);
  if (model.config().ranking != HllmRanking::kLate)
    return {.positions = model.user_states(inputs, longs(judged.row_starts))};
  // A row of t items becomes one of t + 1, whose last input is [USER].
  const int64_t rows = std::ssize(judged.row_starts) - 1;
  std::vector<int64_t> from, starts{0}, items, users;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t p = judged.row_starts[row]; p < judged.row_starts[row + 1]; ++p) {
      items.push_back(std::ssize(from));
      from.push_back(p);
    }
    users.push_back(std::ssize(from));
    from.push_back(std::ssize(judged.inputs));  // the row behind the inputs
    starts.push_back(std::ssize(from));
  }
  const at::Tensor all = at::cat({inputs, model.extras().head->user_token()});
  const at::Tensor states = model.user_states(rows_of(all, from), longs(starts));
  return {.positions = rows_of(states, items), .users = rows_of(states, users)};
}

at::Tensor judge(const Hllm& model, const at::Tensor& vectors, const Judged& judged,
                 const UserPass& pass) {
  const RankingHead& head = *model.extras().head;
  const at::Tensor candidates = rows_of(vectors, judged.candidates);
  if (model.config().ranking == HllmRanking::kLate)
    return head.late(rows_of(pass.users, judged.row_of), candidates);
  // Each candidate has a row of its own: its history and itself, whose time nobody tells.
  std::vector<int64_t> from, starts{0}, last;
  for (int64_t c = 0; c < std::ssize(judged.candidates); ++c) {
    const int64_t row = judged.row_of[c];
    for (int64_t p = judged.row_starts[row]; p < judged.row_starts[row + 1]; ++p) from.push_back(p);
    last.push_back(std::ssize(from));
    from.push_back(std::ssize(judged.inputs) + c);
    starts.push_back(std::ssize(from));
  }
  const at::Tensor all = at::cat({inputs_of(model, vectors, judged), candidates});
  return head.early(model.user_states(rows_of(all, from), longs(starts), longs(last)));
}

}  // namespace tandem::learn
