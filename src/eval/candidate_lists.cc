// SPDX-License-Identifier: Apache-2.0
#include "eval/candidate_lists.h"

#include <fmt/format.h>

#include <span>

#include "core/sha256.h"

namespace tandem {

std::string lists_fingerprint(const CandidateSet& candidates) {
  Sha256 sha;
  sha.add(candidates.fingerprint).add("\n").add(candidates.split).add("\n");
  sha.add(candidates.seen_items).add("\n");
  sha.add(std::as_bytes(std::span(&candidates.num_candidates, 1)));
  sha.add(std::as_bytes(std::span(candidates.items)));
  sha.add(std::as_bytes(std::span(candidates.target)));
  return sha.hex();
}

std::string candidate_set_name(const CandidateSet& candidates, int64_t k) {
  return fmt::format("{} top {}, lists {}", candidates.retriever, k,
                     lists_fingerprint(candidates).substr(0, 12));
}

}  // namespace tandem
