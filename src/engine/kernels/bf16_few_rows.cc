// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/bf16_few_rows.h"

#include <cstring>
#include <vector>

#include "formats/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/bf16_few_rows.cc"
#include <hwy/foreach_target.h>
// Highway's own header comes after foreach_target.h.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tandem::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Elements between what is read and what is fetched for later; rows are too short for the machine
// to find out by itself.
constexpr int64_t kAhead = 256;

// Neighbouring pairs of b as 32-bit words.
template <class D>
HWY_INLINE hn::Vec<D> load_pairs(D d, const uint16_t* b) {
#if HWY_TARGET == HWY_SCALAR
  uint32_t word;
  std::memcpy(&word, b, sizeof word);
  return hn::Set(d, word);
#else
  return hn::BitCast(d, hn::LoadU(hn::Repartition<uint16_t, D>(), b));
#endif
}

// c[j] = x . row j of b, j < kRows. A 32-bit word holds two neighbouring numbers of b: shifted it
// is the float of the even one, masked that of the odd one, so x comes as its even and its odd
// elements.
template <int kRows>
void dot_rows(const float* HWY_RESTRICT even, const float* HWY_RESTRICT odd, int64_t k,
              const uint16_t* b, int64_t ldb, float* c) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> words;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto high = hn::Set(words, 0xffff0000u);
  hn::Vec<decltype(d)> evens[kRows], odds[kRows];
  for (int j = 0; j < kRows; ++j) evens[j] = odds[j] = hn::Zero(d);
  int64_t pair = 0;
  for (; 2 * (pair + lanes) <= k; pair += lanes) {
    const auto x0 = hn::LoadU(d, even + pair), x1 = hn::LoadU(d, odd + pair);
    for (int j = 0; j < kRows; ++j) {
      hwy::Prefetch(b + j * ldb + 2 * pair + kAhead);
      const auto w = load_pairs(words, b + j * ldb + 2 * pair);
      evens[j] = hn::MulAdd(hn::BitCast(d, hn::ShiftLeft<16>(w)), x0, evens[j]);
      odds[j] = hn::MulAdd(hn::BitCast(d, hn::And(w, high)), x1, odds[j]);
    }
  }
  for (int j = 0; j < kRows; ++j) {
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(evens[j], odds[j])));
    for (int64_t i = 2 * pair; i < k; ++i)
      sum += bf16_to_float(b[j * ldb + i]) * (i % 2 == 0 ? even : odd)[i / 2];
    c[j] = sum;
  }
}

void few_rows_kernel(int64_t m, int64_t n, int64_t k, const float* x, const uint16_t* b,
                     int64_t ldb, float* c, int64_t ldc) {
  // As many rows as the accumulators leave registers for.
#if HWY_TARGET <= HWY_AVX3
  constexpr int64_t kRows = 8;
#else
  constexpr int64_t kRows = 4;
#endif
  const int64_t half = (k + 1) / 2;
  for (int64_t j = 0; j < n; j += kRows) {
    for (int64_t i = 0; i < m; ++i) {
      const float *even = x + 2 * i * half, *odd = even + half;
      float* out = c + i * ldc + j;
      if (j + kRows <= n) {
        dot_rows<kRows>(even, odd, k, b + j * ldb, ldb, out);
      } else {
        for (int64_t r = j; r < n; ++r) dot_rows<1>(even, odd, k, b + r * ldb, ldb, out + (r - j));
      }
    }
  }
}

}  // namespace tandem::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tandem::engine {

HWY_EXPORT(few_rows_kernel);

void bf16_few_rows(int64_t m, int64_t n, int64_t k, const uint16_t* a, int64_t lda,
                   const uint16_t* b, int64_t ldb, float* c, int64_t ldc) {
  thread_local std::vector<float> x;  // each row's even elements, then its odd ones
  const int64_t half = (k + 1) / 2;
  x.resize(2 * m * half);
  for (int64_t i = 0; i < m; ++i) {
    float *even = x.data() + 2 * i * half, *odd = even + half;
    for (int64_t l = 0; l < k / 2; ++l) {
      even[l] = bf16_to_float(a[i * lda + 2 * l]);
      odd[l] = bf16_to_float(a[i * lda + 2 * l + 1]);
    }
    if (k % 2 == 1) even[k / 2] = bf16_to_float(a[i * lda + k - 1]);
  }
  HWY_DYNAMIC_DISPATCH(few_rows_kernel)(m, n, k, x.data(), b, ldb, c, ldc);
}

}  // namespace tandem::engine
#endif
