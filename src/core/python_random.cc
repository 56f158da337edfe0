// SPDX-License-Identifier: Apache-2.0
#include "core/python_random.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "core/check.h"

namespace tandem {
namespace {

constexpr int kShift = 397;
constexpr uint32_t kUpperBit = 0x80000000u, kLowerBits = 0x7fffffffu, kMatrix = 0x9908b0dfu;
constexpr uint32_t kArraySeed = 19650218u;

std::array<uint32_t, 2> words_of(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

MersenneTwister python_twister(uint64_t seed) {
  const std::array<uint32_t, 2> words = words_of(seed);
  return MersenneTwister(std::span(words).first(words[1] == 0 ? 1 : 2));
}

}  // namespace

MersenneTwister::MersenneTwister(uint32_t seed) {
  state_[0] = seed;
  for (uint32_t i = 1; i < kWords; ++i)
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
}

MersenneTwister::MersenneTwister(std::span<const uint32_t> key) : MersenneTwister(kArraySeed) {
  TANDEM_CHECK(!key.empty());
  size_t i = 1, j = 0;
  const auto step = [&] {
    if (++i == kWords) {
      state_[0] = state_[kWords - 1];
      i = 1;
    }
  };
  const auto mixed = [&](uint32_t factor) {
    return state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor);
  };
  for (size_t left = std::max<size_t>(kWords, key.size()); left > 0; --left) {
    state_[i] = mixed(1664525u) + key[j] + static_cast<uint32_t>(j);
    step();
    if (++j == key.size()) j = 0;
  }
  for (int left = kWords - 1; left > 0; --left) {
    state_[i] = mixed(1566083941u) - static_cast<uint32_t>(i);
    step();
  }
  state_[0] = kUpperBit;
}

void MersenneTwister::twist() {
  for (int i = 0; i < kWords; ++i) {
    const uint32_t word = (state_[i] & kUpperBit) | (state_[(i + 1) % kWords] & kLowerBits);
    state_[i] = state_[(i + kShift) % kWords] ^ (word >> 1) ^ ((word & 1u) != 0 ? kMatrix : 0u);
  }
  used_ = 0;
}

uint32_t MersenneTwister::next() {
  if (used_ == kWords) twist();
  uint32_t word = state_[used_++];
  word ^= word >> 11;
  word ^= (word << 7) & 0x9d2c5680u;
  word ^= (word << 15) & 0xefc60000u;
  return word ^ (word >> 18);
}

PythonRandom::PythonRandom(uint64_t seed) : twister_(python_twister(seed)) {}

uint32_t PythonRandom::getrandbits(int bits) {
  TANDEM_CHECK(bits >= 1 && bits <= 32, "bits = {}", bits);
  return twister_.next() >> (32 - bits);
}

uint32_t PythonRandom::below(uint32_t bound) {
  TANDEM_CHECK(bound > 0);
  const int bits = std::bit_width(bound);
  uint32_t drawn = getrandbits(bits);
  while (drawn >= bound) drawn = getrandbits(bits);
  return drawn;
}

int64_t PythonRandom::randint(int64_t low, int64_t high) {
  const int64_t values = high - low + 1;
  TANDEM_CHECK(std::in_range<uint32_t>(values) && values > 0, "{} to {}", low, high);
  return low + below(static_cast<uint32_t>(values));
}

std::vector<int64_t> torch_randperm(int64_t count, uint64_t seed) {
  TANDEM_CHECK(std::in_range<uint32_t>(count), "count = {}", count);
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), int64_t{0});
  MersenneTwister twister(static_cast<uint32_t>(seed));
  for (int64_t i = 0; i + 1 < count; ++i)
    std::swap(order[i], order[i + twister.next() % (count - i)]);
  return order;
}

}  // namespace tandem
