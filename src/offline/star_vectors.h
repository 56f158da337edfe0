// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "core/file.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "engine/ops/matrix.h"
#include "models/item_matrix.h"
#include "rank/item_prompt.h"

namespace tandem {

// Where STAR's item vectors come from: one of the two.
struct StarSource {
  // A Hugging Face folder or GGUF file: the mean of the last states over an item's text; or a run
  // of HLLM: its Item LLM, with the run's own text.
  fs::path base = {};
  fs::path vectors = {};                      // a file with ids (offline/vector_file.h)
  std::optional<ItemPromptConfig> text = {};  // of a base that is no run; absent: the default
};

struct StarVectors {
  engine::Matrix vectors = {};  // [N + 1, D]; zeros for an item without a text or a vector
  ItemMatrixFacts facts = {};
  int64_t missing = 0;  // items without a vector
};

// Vectors of all items of a data set. Shows progress. UsageError when the source is not one, or has
// a text that it cannot use; DataError when no item has a vector; Stopped after a signal; and what
// the readers throw.
StarVectors star_vectors(const StarSource& source, const Dataset& dataset, ThreadPool& pool);

}  // namespace tandem
