// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "learn/model.h"

namespace tandem::learn {

// Masks for rows that start at a place within the step's rows: as if all of them were drawn
// together.
class PlacedDropout : public DropoutRng {
 public:
  PlacedDropout(uint64_t seed, uint64_t step, int64_t first)
      : DropoutRng(seed, step), first_(first) {}

  at::Tensor keep(std::string_view site, int64_t rows, int64_t columns, double p) const override {
    if (first_ == 0) return DropoutRng::keep(site, rows, columns, p);
    return DropoutRng::keep(site, first_ + rows, columns, p).narrow(0, first_, rows).contiguous();
  }

 private:
  int64_t first_;
};

}  // namespace tandem::learn
