// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace tandem::learn {

// Memory of an op that lives from call to call: fresh pages cost more than the arithmetic done in
// them. Grows, never shrinks. One a thread and op; the content is unspecified.
class Scratch {
 public:
  float* floats(size_t count) {
    if (memory_.size() < count) memory_.resize(count);
    return memory_.data();
  }

 private:
  std::vector<float> memory_;
};

}  // namespace tandem::learn
