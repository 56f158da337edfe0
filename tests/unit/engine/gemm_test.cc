// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "formats/half.h"
#include "support/random_values.h"

namespace tandem::engine {
namespace {

using test::random_values;

struct Sizes {
  int64_t m, n, k;
};

TEST(Sgemm, EqualsAPlainLoopForOddSizesStridesAndTransposes) {
  for (const Sizes& s :
       {Sizes{1, 1, 1}, {3, 5, 7}, {17, 33, 9}, {64, 129, 65}, {1, 200, 64}, {130, 1, 3}}) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        for (const float beta : {0.0f, 0.5f}) {
          SCOPED_TRACE(testing::Message()
                       << s.m << "x" << s.n << "x" << s.k << " " << ta << tb << " " << beta);
          const int64_t lda = (ta ? s.m : s.k) + 3, ldb = (tb ? s.k : s.n) + 1, ldc = s.n + 2;
          const std::vector<float> a = random_values((ta ? s.k : s.m) * lda, 1);
          const std::vector<float> b = random_values((tb ? s.n : s.k) * ldb, 2);
          const std::vector<float> before = random_values(s.m * ldc, 3);
          std::vector<float> c = before;
          sgemm(ta, tb, s.m, s.n, s.k, 1.5f, a.data(), lda, b.data(), ldb, beta, c.data(), ldc);
          for (int64_t i = 0; i < s.m; ++i) {
            for (int64_t j = 0; j < ldc; ++j) {
              double want = before[i * ldc + j];
              if (j < s.n) {
                double sum = 0;
                for (int64_t l = 0; l < s.k; ++l)
                  sum +=
                      double{a[ta ? l * lda + i : i * lda + l]} * b[tb ? j * ldb + l : l * ldb + j];
                want = 1.5 * sum + beta * want;
              }
              ASSERT_NEAR(c[i * ldc + j], want, 1e-4) << i << "," << j;
            }
          }
        }
      }
    }
  }
}

TEST(Sgemm, NothingToSumIsBetaTimesC) {
  float c[2] = {2, 4};
  sgemm(false, false, 1, 2, 0, 1, nullptr, 0, nullptr, 2, 0.5f, c, 2);
  EXPECT_EQ(c[0], 1);
  EXPECT_EQ(c[1], 2);
}

TEST(Sgemm, StridesTooSmallAreAnError) {
  float x[4] = {};
  EXPECT_THROW(sgemm(false, false, 2, 2, 2, 1, x, 1, x, 2, 0, x, 2), ShapeError);
}

std::vector<uint16_t> rounded(const std::vector<float>& values) {
  std::vector<uint16_t> bits(values.size());
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = float_to_bf16(values[i]);
  return bits;
}

TEST(Bf16Gemm, EqualsAPlainLoopForOddSizesAndStrides) {
  for (const Sizes& s : {Sizes{1, 1, 1},
                         {3, 5, 7},
                         {16, 33, 9},
                         {17, 33, 9},
                         {64, 129, 65},
                         {130, 1, 3},
                         {40, 256, 301}}) {
    SCOPED_TRACE(testing::Message() << s.m << "x" << s.n << "x" << s.k);
    const int64_t lda = s.k + 3, ldb = s.k + 1, ldc = s.n + 2;
    const std::vector<uint16_t> a = rounded(random_values(s.m * lda, 1));
    const std::vector<uint16_t> b = rounded(random_values(s.n * ldb, 2));
    const std::vector<float> before = random_values(s.m * ldc, 3);
    std::vector<float> c = before, wide = before;
    bf16_gemm_widened(s.m, s.n, s.k, a.data(), lda, b.data(), ldb, wide.data(), ldc);
    bf16_gemm(s.m, s.n, s.k, a.data(), lda, b.data(), ldb, c.data(), ldc);
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < ldc; ++j) {
        double want = before[i * ldc + j];
        if (j < s.n) {
          want = 0;
          for (int64_t l = 0; l < s.k; ++l)
            want += double{bf16_to_float(a[i * lda + l])} * bf16_to_float(b[j * ldb + l]);
        }
        // Sums of up to 301 products of about 1 in float32.
        ASSERT_NEAR(c[i * ldc + j], want, j < s.n ? 1e-4 : 0) << i << ", " << j;
        ASSERT_NEAR(wide[i * ldc + j], want, j < s.n ? 1e-4 : 0) << i << ", " << j;
      }
    }
  }
}

TEST(Bf16Gemm, OfAFewRowsEachDependsOnItselfAlone) {
  const int64_t n = 70, k = 203;
  const std::vector<uint16_t> a = rounded(random_values(16 * k, 1)),
                              b = rounded(random_values(n * k, 2));
  std::vector<float> all(16 * n), one(n);
  bf16_gemm(16, n, k, a.data(), k, b.data(), k, all.data(), n);
  for (int64_t i = 0; i < 16; ++i) {
    bf16_gemm(1, n, k, a.data() + i * k, k, b.data(), k, one.data(), n);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + i * n)) << i;
  }
}

TEST(Bf16Gemm, NoInputsGiveZeroAndWrongStridesAreRefused) {
  std::vector<float> c = {1, 2, 3, 4};
  bf16_gemm(2, 1, 0, nullptr, 0, nullptr, 0, c.data(), 2);
  EXPECT_EQ(c, (std::vector<float>{0, 2, 0, 4}));
  const uint16_t one = 0x3f80;
  EXPECT_THROW(bf16_gemm(1, 1, 2, &one, 1, &one, 2, c.data(), 1), ShapeError);
}

}  // namespace
}  // namespace tandem::engine
