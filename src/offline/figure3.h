// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "engine/llama/llama.h"

namespace tandem {

// LlamaRec's Figure 3: what ranking costs by the verbalizer, one forward pass and the logits of as
// many letters as there are candidates, and by letting the model write the ranked list, titles,
// numbers and line ends, token by token with a KV cache. Both read the same prompt: 60 tokens of
// instruction, then history and candidates, each a title and 6 tokens around it.
struct Figure3Row {
  int64_t title_tokens = 0;
  int64_t prompt_tokens = 0, written_tokens = 0;
  double verbalizer_seconds = 0, generation_seconds = 0;  // of one prompt, median of the repeats

  double ratio() const { return generation_seconds / verbalizer_seconds; }
};

struct Figure3Options {
  std::vector<int64_t> title_tokens = {5, 10, 20, 40};
  int64_t history = 20, candidates = 20;
  int64_t repeats = 3;
  uint64_t seed = 42;

  void validate() const;  // UsageError
};

// Positions that the longest prompt and its answer need.
int64_t figure3_positions(const Figure3Options& options);

// Token ids are random: the time does not depend on them. ConfigError when the model has fewer
// positions than figure3_positions.
std::vector<Figure3Row> measure_figure3(const engine::Llama& model, const Figure3Options& options,
                                        ThreadPool& pool);

}  // namespace tandem
