// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "learn/trainer/task.h"
#include "learn/trainer/train_options.h"

namespace tandem::learn {

// What a training holds in memory at its fullest moment, in bytes, of one process.
struct TrainingMemory {
  int64_t parameters = 0;   // trained ones, float32
  int64_t gradients = 0;    // one each
  int64_t optimizer = 0;    // AdamW's two moments
  int64_t best = 0;         // a copy of the best parameters so far
  int64_t activations = 0;  // of a micro-batch: what the backward pass needs, and its own buffers
  int64_t resident = 0;     // in memory already: program, data, frozen base; without `parameters`

  int64_t total() const;
  int64_t still_needed() const;  // beyond what is in memory already
  // One line of all parts.
  std::string describe() const;
};

// Before an optimiser is made. Activations are measured on the longest sample, once and then twice,
// and scaled to a process's share of a micro-batch: an estimate from above. Costs four samples
// forward and backward; the task's parameters and draws are as before.
TrainingMemory forecast_memory(const TrainingTask& task, const TrainOptions& options,
                               int num_processes);

// Largest number of bytes that the calling thread's tensors held during work(), beyond those at its
// start.
int64_t peak_tensor_bytes(const std::function<void()>& work);

// "1.4 GB", "310 MB"
std::string format_bytes(int64_t bytes);

}  // namespace tandem::learn
