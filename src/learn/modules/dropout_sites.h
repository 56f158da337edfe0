// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "learn/model.h"

namespace tandem::learn {

// One draw of dropout; keep undefined: none.
struct DropoutMask {
  at::Tensor keep;  // u8
  double p = 0;
};

// Where dropout masks come from in a forward pass, at one rate; null rng: none. A site draws a row
// for every packed position, so that a wanted position's mask is the same whether others are wanted
// or not.
struct DropoutSites {
  const DropoutRng* rng = nullptr;
  double p = 0;
  int64_t positions = 0;   // P
  at::Tensor wanted = {};  // [Q] positions whose rows are asked for; undefined: all

  // The same sites for those positions alone.
  DropoutSites at(const at::Tensor& some) const { return {rng, p, positions, some}; }
  // A mask [Q, columns of x] for x at the named site, on its device; or of so many columns.
  DropoutMask mask(const at::Tensor& x, std::string_view site) const;
  DropoutMask mask(const at::Tensor& x, std::string_view site, int64_t columns) const;
  // x [Q, ...] with the site's dropout.
  at::Tensor apply(const at::Tensor& x, std::string_view site) const;
};

}  // namespace tandem::learn
