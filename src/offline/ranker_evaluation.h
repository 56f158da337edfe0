// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "data/dataset.h"
#include "eval/candidates.h"
#include "eval/metrics.h"
#include "offline/samples.h"

namespace tandem {

// Ranks of the answers by scores [samples, columns], row i counting for as many columns as sample i
// has candidates; targets and users are the samples'. Ties count for the model (strict).
RankList rank_samples(std::span<const RankingSample> samples, std::span<const float> scores,
                      int64_t columns);

// The retriever's ranks of the same users.
RankList retriever_ranks(std::span<const RankingSample> samples, const CandidateSet& candidates);

// All users: those that the ranker saw with its rank, the others with the retriever's. Hence
//
//   overall = (subset * n_subset + complement * (U - n_subset)) / U
//
// where complement is the retriever's metric on the rest, 0 for cut-offs up to the number of
// candidates.
RankList combine_ranks(const RankList& subset, const CandidateSet& candidates);

// All users with a held-out item, as the retriever ranks them.
RankList all_retriever_ranks(const CandidateSet& candidates);

}  // namespace tandem
