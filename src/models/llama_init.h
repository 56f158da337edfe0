// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "core/output.h"
#include "core/thread_pool.h"
#include "formats/safetensors.h"
#include "models/llama_config.h"

namespace tandem {

struct LlamaInit {
  DType dtype = DType::kF32;  // or kBf16
  double stddev = 0.02;
  uint64_t seed = 42;
  int64_t shard_bytes = int64_t{2} << 30;
};

// Writes a Hugging Face folder with random weights: matrices N(0, stddev^2), norms one, biases
// zero. Row r of tensor t is drawn with (seed, kInit, t, r), so the weights do not depend on
// threads or shards. One shard is in memory at a time. The folder appears whole or not at all, with
// what add_files puts into it. Throws IoError, ConfigError, Stopped.
void write_random_llama(const LlamaConfig& config, const LlamaInit& init, const Output& output,
                        ThreadPool& pool,
                        const std::function<void(const fs::path& folder)>& add_files = {});

}  // namespace tandem
