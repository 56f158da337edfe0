// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/lru_scan.h"

#include <algorithm>

#include "core/check.h"

namespace tandem::engine {
namespace {

void advance(float* __restrict h, const float* __restrict before, const float* __restrict lambda,
             int64_t channels) {
  const float *lambda_re = lambda, *lambda_im = lambda + channels;
  const float *before_re = before, *before_im = before + channels;
  float *re = h, *im = h + channels;
  for (int64_t c = 0; c < channels; ++c) {
    re[c] += lambda_re[c] * before_re[c] - lambda_im[c] * before_im[c];
    im[c] += lambda_re[c] * before_im[c] + lambda_im[c] * before_re[c];
  }
}

}  // namespace

void lru_scan(float* h, int64_t steps, int64_t channels, const float* lambda,
              const uint8_t* carried, float* state) {
  const int64_t row = 2 * channels;
  if (steps == 0) return;
  TANDEM_DCHECK(state || !carried[0], "the first step carries a state that is not given");
  if (carried[0]) advance(h, state, lambda, channels);
  for (int64_t k = 1; k < steps; ++k)
    if (carried[k]) advance(h + k * row, h + (k - 1) * row, lambda, channels);
  if (state) std::copy_n(h + (steps - 1) * row, row, state);
}

}  // namespace tandem::engine
