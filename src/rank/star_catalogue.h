// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/file.h"
#include "data/dataset.h"
#include "models/star_files.h"
#include "rank/catalogue.h"

namespace tandem {

// A run of STAR for a data set: vectors and co-occurrences in its item numbers. Items that the run
// does not know, by match_items(), are never recommended.
OpenedRetriever open_star_retriever(const fs::path& run, const Dataset& dataset);

}  // namespace tandem
