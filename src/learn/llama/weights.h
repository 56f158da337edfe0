// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "formats/hf_folder.h"
#include "learn/ops/frozen_weight.h"
#include "models/llama_config.h"
#include "models/llama_source.h"

namespace tandem::learn {

// Where a model's weights come from. Frozen weights are taken as they are stored; weights to be
// trained are copied to float32.
class LlamaWeights {
 public:
  virtual ~LlamaWeights() = default;

  virtual const LlamaConfig& config() const = 0;
  // A matrix as it is stored. FormatError when it is absent or has another shape.
  virtual FrozenWeightPtr frozen(const TensorSpec& spec) const = 0;
  // A matrix or vector as a float32 tensor of its own. ConfigError for an NF4 matrix, which cannot
  // be trained.
  virtual at::Tensor copy(const TensorSpec& spec) const = 0;
};

// Of a Hugging Face folder (float32, float16, bfloat16, or NF4 as bitsandbytes stores it) or a GGUF
// file. Frozen weights stay in the mapped files, which live as long as any of them.
std::unique_ptr<LlamaWeights> source_weights(std::shared_ptr<const LlamaSource> source);

// Random weights, a pure function of the seed: the numbers that write_random_llama writes.
std::unique_ptr<LlamaWeights> random_weights(const LlamaConfig& config, uint64_t seed,
                                             double stddev = 0.02);

}  // namespace tandem::learn
