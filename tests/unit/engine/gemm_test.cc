// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/error.h"
#include "unit/engine/random_values.h"

namespace tandem {
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

}  // namespace
}  // namespace tandem
