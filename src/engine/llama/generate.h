// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/rng.h"
#include "core/thread_pool.h"
#include "engine/llama/llama.h"

namespace tandem::engine {

// How the next token is chosen from the logits.
struct SamplingOptions {
  double temperature = 0;  // 0 takes the likeliest token, of equal ones the lowest
  int64_t top_k = 0;       // keep the k likeliest; 0 keeps all
  double top_p = 1;        // then the fewest likeliest that together have this probability
  uint64_t seed = 0;       // token n is drawn with (seed, kSampling, 0, n)
};

struct GenerationOptions {
  int64_t max_new_tokens = 32;
  std::vector<int64_t> eos_tokens = {};  // any of them ends the text and is part of the result
  SamplingOptions sampling = {};
};

// Continues the prompt, one token at a time with a KV cache. on_token, when given, sees each token
// at once and ends the text by returning false. Throws DataError for an empty prompt.
std::vector<int32_t> generate(const Llama& model, std::span<const int32_t> prompt,
                              const GenerationOptions& options, ThreadPool& pool,
                              const std::function<bool(int32_t)>& on_token = {});

// One token from logits, as SamplingOptions says; n is its number in the text.
int32_t sample_token(std::span<const float> logits, const SamplingOptions& options, int64_t n);

struct BeamOptions {
  int64_t num_beams = 4;
  int64_t max_new_tokens = 12;
  std::vector<int64_t> eos_tokens = {};
  double length_penalty = 1;
  // True ends the search once num_beams hypotheses are finished, false when besides no running one
  // can beat the worst of them at its present length.
  bool early_stopping = false;
};

// Score: sum of log-probabilities / (new tokens, EOS included) ^ length_penalty.
struct Hypothesis {
  std::vector<int32_t> tokens;  // new ones, up to and including EOS
  double score = 0;
};

// Beam search as transformers does it, best hypothesis first. Each step ranks the best
// (1 + number of EOS tokens, at least 2) * num_beams continuations. Only the first num_beams of
// them may finish (by EOS, or all at the last step); the num_beams best without EOS go on.
std::vector<Hypothesis> beam_search(const Llama& model, std::span<const int32_t> prompt,
                                    const BeamOptions& options, ThreadPool& pool);

}  // namespace tandem::engine
