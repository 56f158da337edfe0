// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/table_retriever.h"
#include "models/retriever_weights.h"

namespace tandem::engine {

// A TableRetriever whose pass over some rows is one thread's work: a model adds forward(). Tasks of
// the pool are cut by the windows' lengths alone. Where the similarity is the cosine, hidden() and
// the table have rows of length 1 (a row of zeros stays so).
class WindowedRetriever : public TableRetriever {
 protected:
  WindowedRetriever(const RetrieverWeights& weights, PackedMatrix item_table,
                    std::vector<float> item_bias);

  // Rows end to end: `rows` windows of 1..window() items -> out [rows, D]. Called by several
  // threads at once.
  virtual void forward(std::span<const History> windows, float* out) const = 0;

  // The item's row of the table that the model was made with, [D].
  void copy_item(int32_t item, float* out) const;

 private:
  // A table to score with, and what its rows' lengths were before they became 1 (empty: as given).
  struct ItemRows {
    PackedMatrix table;
    std::vector<float> lengths;
  };
  static ItemRows rows_of(const RetrieverModelConfig& config, PackedMatrix item_table);
  WindowedRetriever(const RetrieverWeights& weights, ItemRows items, std::vector<float> item_bias);
  void run(std::span<const History> windows, ThreadPool& pool, float* out) const final;

  std::vector<float> lengths_;  // [N + 1], or empty
};

}  // namespace tandem::engine
