// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "engine/llama/llama.h"
#include "engine/ops/matrix.h"
#include "models/hllm_files.h"
#include "models/precision.h"

namespace tandem::engine {

// The Item LLM of HLLM: tokens of items' texts -> one vector an item (Section 3.1 of the paper).
//
//     e = h(placeholder)                h: states after the final norm
//     e = mean over the text of h       with mean pooling; zeros for a text without tokens
//     e = W e                           where there is a projector W [D, d_item]
//
// The placeholder comes after the text and has the learned embedding [ITEM]. Positions of each text
// count from 0: the authors count them up to the longest text, and rotations know differences only.
// Texts are packed end to end, and no text sees another; what else is in the pack changes a vector
// by rounding alone (1e-5 of vectors of size 1), as do the machine's products. The bits do not
// depend on the number of threads. Vectors are not normalised. Safe to use concurrently, with a
// pool each.
class ItemEncoder {
 public:
  explicit ItemEncoder(const HllmFiles& files, Precision precision = Precision::kFloat32);

  int64_t width() const { return width_; }  // D

  // [texts, D]. Of each text its tokens, at most max_text_length or none, and then the placeholder,
  // whose id does not matter (rank/item_prompt.h makes them so). DataError for other lengths and
  // for a token outside the vocabulary.
  Matrix encode(std::span<const std::vector<int32_t>> texts, ThreadPool& pool) const;

 private:
  Matrix pooled(std::span<const std::vector<int32_t>> texts, ThreadPool& pool) const;
  Matrix projected(Matrix vectors) const;

  Llama model_;
  HllmPooling pooling_;
  int64_t width_, max_text_length_;
  std::vector<float> item_token_, projector_;
};

}  // namespace tandem::engine
