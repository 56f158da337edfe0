// SPDX-License-Identifier: Apache-2.0
#include "formats/tensor_spec.h"

#include <fmt/ranges.h>

namespace tandem {

int64_t TensorSpec::count() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

std::string format_shape(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace tandem
