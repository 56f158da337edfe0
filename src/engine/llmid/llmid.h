// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "engine/llama/llama.h"
#include "engine/windowed_retriever.h"

namespace tandem::engine {

// LLMIDRec (HLLM's "SASRec-1B") without libtorch: the vectors of a window's items are the input
// embeddings of a Llama, whose last state is asked. Its positions only enter as differences, so a
// row counts from 0 where the authors count their padding, too.
class LlmId final : public WindowedRetriever {
 public:
  explicit LlmId(const RetrieverWeights& weights);

 private:
  void forward(std::span<const History> windows, float* out) const override;

  Llama trunk_;
};

}  // namespace tandem::engine
