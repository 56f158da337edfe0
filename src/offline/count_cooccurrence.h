// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "models/cooccurrence.h"

namespace tandem {

// The co-occurrences of a data set's train interactions: held-out items do not count, and a user
// who took an item several times counts once. O(sum over users of length^2) time in all, cut by
// items, so the result does not depend on the number of threads; 16 bytes an interaction and, while
// the rows are put together, 16 a pair. Shows progress. Throws Stopped after a signal.
Cooccurrence count_cooccurrence(const Dataset& dataset, ThreadPool& pool);

}  // namespace tandem
