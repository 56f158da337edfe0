// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/file.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "models/item_matrix.h"

namespace tandem {

// Chunks of the pass that are done, in a run folder; gone when the matrix is there.
inline constexpr const char* kItemPartsFolder = "item_vectors.parts";

struct EncodeItemsOptions {
  ItemMatrixType type = ItemMatrixType::kFloat32;
  // Of several processes, this one encodes every parts-th chunk from `part` on, 0-based.
  int64_t part = 0, parts = 1;
  int64_t chunk = 1024;  // rows; another number may change a vector by rounding
};

struct EncodedItems {
  int64_t items = 0;        // of the data set
  int64_t chunks = 0;       // in all
  int64_t done_before = 0;  // chunks that an earlier pass left, of this process's
  bool written = false;     // the matrix is in the run folder
};

// Encodes all items of a data set with a run's Item LLM into the run's item matrix. A chunk of
// items is written whole, so what is done when the pass ends stays and the next pass goes on; it is
// encoded by itself, so the matrix has the same bits however many processes share the work and how
// often they are interrupted. With parts > 1 no process waits for another: when all are done, a call
// with parts = 1 finds every chunk and writes the matrix. Chunks of another model, data set, text or
// type are encoded again. Shows progress. Throws Interrupted with what is kept, FormatError, IoError.
EncodedItems encode_items(const fs::path& run, const Dataset& dataset,
                          const EncodeItemsOptions& options, ThreadPool& pool);

}  // namespace tandem
