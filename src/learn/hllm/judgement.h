// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "learn/hllm/hllm.h"

namespace tandem::learn {

// Histories, and which items are judged after each.
//
//   inputs      [P] int64: places of the histories' items in a table of vectors, end to end
//   times       [P] int64 on the CPU: of the inputs
//   row_starts  [B+1] int64 on the CPU: of the histories, none of them empty
//   candidates  [M] int64: places of the candidates, those of a row next to each other
//   row_of      [M] int64: each candidate's history, ascending
struct Judged {
  std::vector<int64_t> inputs, times, row_starts{0}, candidates, row_of;
};

// The states of the User LLM at the histories' items [P, D], and with late fusion at [USER] behind
// each [B, D].
struct UserPass {
  at::Tensor positions, users = {};
};
// One pass. vectors [n, D] is the table.
UserPass user_pass(const Hllm& model, const at::Tensor& vectors, const Judged& judged);

// z of every candidate, [M]. Late fusion takes `pass`; early fusion runs the User LLM over each
// candidate after its history, at the cost of M histories.
at::Tensor judge(const Hllm& model, const at::Tensor& vectors, const Judged& judged,
                 const UserPass& pass);

}  // namespace tandem::learn
