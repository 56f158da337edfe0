// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// Whether an op's own kernel, which works on memory, can take x: on the CPU. On other devices an op
// is composed of ATen's operations.
bool takes_kernel(const at::Tensor& x);

// As long as one lives, no op takes its kernel: the CPU then runs what other devices run, and a
// test can compare the two.
class ComposedOps {
 public:
  ComposedOps();
  ~ComposedOps();
  ComposedOps(const ComposedOps&) = delete;
  ComposedOps& operator=(const ComposedOps&) = delete;
};

}  // namespace tandem::learn
