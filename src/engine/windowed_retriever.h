// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/table_retriever.h"
#include "models/retriever_weights.h"

namespace tandem::engine {

// A TableRetriever whose pass over some rows is one thread's work: a model adds forward(). Tasks of
// the pool are cut by the windows' lengths alone.
class WindowedRetriever : public TableRetriever {
 protected:
  WindowedRetriever(const RetrieverWeights& weights, PackedMatrix item_table,
                    std::vector<float> item_bias);

  // Rows end to end: `rows` windows of 1..window() items -> out [rows, D]. Called by several
  // threads at once.
  virtual void forward(std::span<const History> windows, float* out) const = 0;

 private:
  void run(std::span<const History> windows, ThreadPool& pool, float* out) const final;
};

}  // namespace tandem::engine
