// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/output.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "models/star_files.h"
#include "offline/star_vectors.h"

namespace tandem {

// Builds a run of STAR (docs/star.md): item vectors, co-occurrences of the train interactions, item
// ids, config.json and run.json, whole or not at all. config: the weights; its sizes and
// fingerprint are set here. The same files, bit for bit, on any number of threads. ConfigError for
// weights out of range; throws as star_vectors() and count_cooccurrence().
void build_star(StarConfig config, const StarSource& source, const Dataset& dataset,
                const Output& output, ThreadPool& pool);

}  // namespace tandem
