// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tandem {

// MT19937 (Matsumoto and Nishimura, "Mersenne Twister", 1998): the generator that CPython and
// PyTorch share. For reproducing what published programs drew; everything of ours draws from
// core/rng.h. Not for concurrent use.
class MersenneTwister {
 public:
  // The authors' init_genrand, as torch.Generator.manual_seed uses it.
  explicit MersenneTwister(uint32_t seed);
  // The authors' init_by_array; the key must not be empty.
  explicit MersenneTwister(std::span<const uint32_t> key);

  uint32_t next();

 private:
  static constexpr int kWords = 624;
  void twist();

  std::array<uint32_t, kWords> state_{};
  int used_ = kWords;
};

// Python's module `random` after random.seed(seed): the key is the seed's 32-bit words, the lowest
// first.
class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed);

  // random.getrandbits(bits), 1 <= bits <= 32.
  uint32_t getrandbits(int bits);
  // Uniform in [0, bound), 1 <= bound < 2^32: as many bits as bound has, drawn again while too large.
  uint32_t below(uint32_t bound);
  // random.randint(low, high), both included; high - low + 1 < 2^32.
  int64_t randint(int64_t low, int64_t high);

 private:
  MersenneTwister twister_;
};

// torch.randperm(count, generator=torch.Generator().manual_seed(seed)) on the CPU: for i from 0,
// swap place i with place i + (next word mod (count - i)). count < 2^32.
std::vector<int64_t> torch_randperm(int64_t count, uint64_t seed);

}  // namespace tandem
