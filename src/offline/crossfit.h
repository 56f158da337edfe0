// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "offline/samples.h"

namespace tandem {

// Where `train retriever --folds` puts the retriever that did not see a fold's users, fold from 0.
fs::path fold_folder(const fs::path& run, int64_t fold);

// The retrievers of a run's folds, in order: each is an ordinary run. DataError when the run has
// none, when one is not finished, or when one was trained on other data, with another seed or to
// another shape than the run itself.
std::vector<fs::path> fold_runs(const fs::path& run, const Dataset& dataset);

// retrieve_for_prefixes with the retriever of each user's fold (UserFolds), which has not seen that
// user: candidates of a training prefix as good and as bad as those of a held-out item. Errors as
// those of fold_runs. Shows progress.
PrefixCandidates retrieve_crossfit(const fs::path& run, const Dataset& dataset,
                                   std::span<const TrainingPrefix> prefixes, int64_t k,
                                   ThreadPool& pool);

}  // namespace tandem
