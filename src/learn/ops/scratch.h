// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace tandem {

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

// Keeps freed blocks below 32 MB in the process (glibc only): tensors of a training step are as
// large in the next step, and giving them back costs a page fault per 4 KB. Called when the library
// is loaded.
void keep_freed_memory();

}  // namespace tandem
