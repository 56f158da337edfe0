// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/history.h"
#include "engine/kernels/packed_matrix.h"
#include "models/hllm_files.h"

namespace tandem::engine {

// What HLLM's User LLM adds to its inputs for their times: models/time_embedding.h. Owns copies of
// the parameters. Safe to use concurrently.
class TimeEmbedding {
 public:
  explicit TimeEmbedding(const HllmFiles& files);

  bool empty() const { return tables_.empty(); }  // the model has none
  // Adds the vector of each time that is known to its row of x [times, D]. One row after another:
  // the bits depend on the row alone. 12 w D + 2 D^2 FLOPs a row. DataError for a time outside the
  // tables.
  void add(std::span<const int64_t> times, float* x) const;

 private:
  std::vector<std::vector<float>> tables_;  // [rows, w] each
  int64_t table_width_ = 0;
  PackedMatrix inner_, outer_;
  std::vector<float> inner_bias_, outer_bias_;
};

}  // namespace tandem::engine
