// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_spec.h"

namespace tandem {

// How an HLLM judges whether an item is taken after a history (arXiv 2409.12740, Section 3.4, the
// discriminative form; no code was released). P(taken) = 1 / (1 + exp(-z)), and
//
//     late   u = UserLLM(e_1 .. e_t, [USER])[t + 1],  z(x) = w_2 SiLU(W_1 [u', x', u' x'] + b_1) + b_2
//     early  z(x) = w . UserLLM(e_1 .. e_t, e_x)[t + 1] + b
//
// [USER] is a learned vector; u' and x' are u and e_x with a root mean square of 1, u' x' their
// product number by number. Late fusion makes one pass a user, early fusion one a candidate. The
// paper says "a prediction head"; its form is ours.
enum class HllmRanking { kNone, kLate, kEarly };
HllmRanking parse_hllm_ranking(std::string_view name);  // none, late, early; ConfigError
std::string_view hllm_ranking_name(HllmRanking ranking);

// In the order in which they are written. Late: user_token [1, D], ranking_head.0 [D, 3 D] and
// ranking_head.2 [1, D] with biases; early: ranking_head [1, D] with a bias.
std::vector<TensorSpec> ranking_parameters(HllmRanking ranking, int64_t width);

}  // namespace tandem
