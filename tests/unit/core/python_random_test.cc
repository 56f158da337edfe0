// SPDX-License-Identifier: Apache-2.0
// Known answers: what CPython 3 and PyTorch 2 draw.
#include "core/python_random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace tandem {
namespace {

// random.seed(2020); [random.getrandbits(32) for _ in range(8)]
TEST(PythonRandom, SeedOfOneWordGivesPythonsWords) {
  PythonRandom random(2020);
  for (const uint32_t word : {2661459254u, 2660693840u, 749574286u, 2879324636u, 3300585031u,
                              1980039399u, 4061722466u, 1900446381u})
    EXPECT_EQ(random.getrandbits(32), word);
}

// The authors' own test vector, mt19937ar.out: init_by_array({0x123, 0x234, 0x345, 0x456}).
TEST(MersenneTwister, KeyOfSeveralWordsGivesThePublishedNumbers) {
  const std::array<uint32_t, 4> key{0x123, 0x234, 0x345, 0x456};
  MersenneTwister twister{std::span<const uint32_t>(key)};
  for (const uint32_t word : {1067595299u, 955945823u, 477289528u, 4107218783u, 4228976476u})
    EXPECT_EQ(twister.next(), word);
}

// The 10,000th number of the default seed, which the C++ standard fixes for std::mt19937.
TEST(MersenneTwister, TenThousandthNumberIsTheStandards) {
  MersenneTwister twister(5489u);
  for (int i = 0; i < 9999; ++i) twister.next();
  EXPECT_EQ(twister.next(), 4123659995u);
}

// random.seed(2020); [random.randint(1, 180) for _ in range(12)]: 8 bits, 180 and more drawn again.
TEST(PythonRandom, RandintDrawsAgainWhatIsTooLarge) {
  PythonRandom random(2020);
  for (const int64_t value : {159, 159, 45, 172, 119, 114, 122, 95, 108, 140, 41, 159})
    EXPECT_EQ(random.randint(1, 180), value);
}

TEST(PythonRandom, OneValueIsDrawnToo) {
  PythonRandom random(7);
  EXPECT_EQ(random.randint(3, 3), 3);
}

// torch.randperm(40, generator=torch.Generator().manual_seed(1))
TEST(TorchRandperm, GivesTorchsPermutation) {
  const std::vector<int64_t> wanted{5,  36, 12, 17, 11, 18, 13, 30, 23, 34, 0, 35, 24, 39,
                                    6,  7,  22, 32, 20, 10, 15, 1,  19, 16, 4, 31, 38, 27,
                                    33, 28, 26, 29, 14, 3,  2,  8,  25, 37, 9, 21};
  EXPECT_EQ(torch_randperm(40, 1), wanted);
  EXPECT_TRUE(torch_randperm(0, 1).empty());
  EXPECT_EQ(torch_randperm(1, 1), std::vector<int64_t>{0});
}

}  // namespace
}  // namespace tandem
