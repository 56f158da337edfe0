// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "engine/llama/llama.h"

namespace tandem::engine {

// Logits of all positions of one sequence, [tokens, V].
inline Matrix all_logits(const Llama& model, std::span<const int32_t> tokens, ThreadPool& pool,
                         const LlamaObserver& observer = {}) {
  const LlamaSequence sequence{static_cast<int64_t>(tokens.size())};
  return model.logits(model.hidden(model.embed(tokens), {&sequence, 1}, 0, pool, observer), pool);
}

inline std::vector<int32_t> token_ids(std::span<const int64_t> ids) {
  std::vector<int32_t> tokens;
  for (const int64_t id : ids) tokens.push_back(static_cast<int32_t>(id));
  return tokens;
}

// The logits of every row of ids [rows, length], one after the other: [rows * length * V].
inline std::vector<float> batch_logits(const Llama& model, const TensorView& ids,
                                       ThreadPool& pool) {
  std::vector<float> all;
  const std::span<const int64_t> values = ids.as<int64_t>();
  const auto length = static_cast<size_t>(ids.shape.at(1));
  for (size_t at = 0; at < values.size(); at += length) {
    const Matrix logits = all_logits(model, token_ids(values.subspan(at, length)), pool);
    all.insert(all.end(), logits.values.begin(), logits.values.end());
  }
  return all;
}

}  // namespace tandem::engine
