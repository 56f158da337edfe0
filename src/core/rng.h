// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace tandem {

// What a random number is for. Part of the key, so that one purpose never shifts another's draws.
enum class RngPurpose : uint32_t {
  kInit = 1,
  kShuffle = 2,
  kDropout = 3,
  kNegatives = 4,
  kBootstrap = 5,
  kPermutation = 6,
  kSampling = 7,
  kFolds = 8,
  kTest = 9,
  kUsers = 10,
};

// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011): 128 random
// bits as a pure function of a 64-bit key and a 128-bit counter.
std::array<uint32_t, 4> philox(uint64_t key, std::array<uint32_t, 4> counter);

// A stream of random numbers that is a pure function of (seed, purpose, epoch, sample). Streams of
// different keys are independent, so draws do not depend on the order of work, the number of
// threads or a restart. Cheap to construct (32 bytes, no warm-up). Not for concurrent use; make one
// per sample.
class Rng {
 public:
  explicit Rng(uint64_t seed, RngPurpose purpose = RngPurpose::kTest, uint32_t epoch = 0,
               uint64_t sample = 0);

  uint32_t next_u32();
  uint64_t next_u64();
  // Uniform in [0, 1), 53 bits.
  double uniform();
  // Uniform in [0, bound), without bias; bound > 0.
  uint64_t below(uint64_t bound);
  // N(0, 1), by the polar-free Box-Muller transform.
  double normal();

  template <typename T>
  void shuffle(std::span<T> values) {
    for (uint64_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

 private:
  uint64_t key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace tandem
