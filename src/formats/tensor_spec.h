// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tandem {

// A tensor that a model has or wants, without data: its name in files and its shape.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;

  int64_t count() const;  // product of the shape
  bool operator==(const TensorSpec&) const = default;
};

// "[320, 64]"
std::string format_shape(std::span<const int64_t> shape);

}  // namespace tandem
