// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "eval/candidates.h"

namespace tandem {

// SHA-256 of who is offered what: data set, split, items and held-out items; equal lists have equal
// ones, whatever their scores.
std::string lists_fingerprint(const CandidateSet& candidates);

// Protocol::candidate_set of a ranking of the first k candidates: "lrurec top 20, lists
// 3f2a91c0d1e2". It names the lists, so two seeds of one retriever are told apart.
std::string candidate_set_name(const CandidateSet& candidates, int64_t k);

}  // namespace tandem
