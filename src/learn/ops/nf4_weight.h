// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "formats/nf4.h"
#include "learn/ops/frozen_weight.h"

namespace tandem::learn {

// A frozen weight in NF4, [O, I]. Expanding it is bitsandbytes' dequantisation: table times block
// scale in float32, rounded once for bfloat16; tiles of rows on libtorch's threads, one read of 0.5
// byte and one write an element. Throws ShapeError unless the tensor is a matrix.
FrozenWeightPtr nf4_weight(const Nf4Tensor& tensor);

}  // namespace tandem::learn
