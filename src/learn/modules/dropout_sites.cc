// SPDX-License-Identifier: Apache-2.0
#include "learn/modules/dropout_sites.h"

#include "learn/ops/dropout.h"

namespace tandem::learn {

DropoutMask DropoutSites::mask(const at::Tensor& x, std::string_view site) const {
  return mask(x, site, x.size(1));
}

DropoutMask DropoutSites::mask(const at::Tensor& x, std::string_view site, int64_t columns) const {
  if (rng == nullptr || p == 0) return {};
  at::Tensor keep = rng->keep(site, positions, columns, p);
  if (wanted.defined()) keep = keep.index_select(0, wanted.to(keep.device()));
  return {keep.to(x.device()), p};
}

at::Tensor DropoutSites::apply(const at::Tensor& x, std::string_view site) const {
  const DropoutMask drawn = mask(x, site);
  return drawn.keep.defined() ? dropout(x, drawn.keep, drawn.p) : x;
}

}  // namespace tandem::learn
