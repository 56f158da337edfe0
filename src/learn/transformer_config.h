// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace tandem::learn {

// Shape and dropout of a retriever of post-norm transformer blocks (SASRec, BERT4Rec).
struct TransformerConfig {
  int64_t num_items = 0;
  int64_t width = 64;
  int64_t blocks = 2;
  int64_t heads = 2;
  int64_t inner = 4;          // FFN width as a multiple of width
  int64_t max_length = 50;    // L, the most inputs of a row
  double dropout = 0.2;       // embedding and sub-layer outputs
  double attn_dropout = 0.2;  // attention probabilities

  // ConfigError that names the model.
  void validate(std::string_view model, int64_t least_width) const;
};

}  // namespace tandem::learn
