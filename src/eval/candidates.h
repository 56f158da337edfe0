// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/output.h"
#include "eval/metrics.h"

namespace tandem {

// What a retriever hands to a ranker: each user's K best items, best first, and where the held-out
// item stands in the full ranking. Row u is dense user u. On disk (docs/protocols.md) one
// safetensors file:
//   items [U, K] i32, scores [U, K] f32, target [U] i32, rank [U] i32; everything else as metadata.
struct CandidateSet {
  int64_t num_users = 0, num_candidates = 0;  // U, K
  std::vector<int32_t> items;   // [U, K]; 0 fills the end of a row with fewer than K candidates
  std::vector<float> scores;    // [U, K]; not increasing along a row
  std::vector<int32_t> target;  // [U]; 0: the user has no held-out item
  std::vector<int32_t> rank;    // [U]; 0 where there is no target, or one that is excluded itself

  int64_t num_items = 0;
  std::string split;       // "valid" or "test"
  std::string seen_items;  // "window", "history" or "none": which known items are excluded
  std::string tie_rule = "strict";
  std::string fingerprint;  // of the data set
  std::string retriever;    // the model's name, for people

  std::span<const int32_t> items_of(int64_t user) const {
    return {items.data() + user * num_candidates, static_cast<size_t>(num_candidates)};
  }
  std::span<const float> scores_of(int64_t user) const {
    return {scores.data() + user * num_candidates, static_cast<size_t>(num_candidates)};
  }
  // Whether the user's target is among the candidates (LlamaRec's "valid retrieval").
  bool holds_target(int64_t user) const;

  // ShapeError or DataError, naming `where`, when the fields contradict each other.
  void validate(std::string_view where) const;
};

extern const OutputKind kCandidateFile;
void write_candidates(const fs::path& path, const CandidateSet& candidates);
// Throws FormatError or DataError naming the file. A row that is not full lists all that may be
// offered: a target that is not there gets rank 0 whatever the file says.
CandidateSet read_candidates(const fs::path& path);

}  // namespace tandem
