// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "formats/stored_tensor.h"

namespace tandem::engine {

// The rows of a weight [N, K] where the checkpoint has them, in the element type that a product
// multiplies. A form that is stored so (F32, BF16) is used in place, every other one (F16, NF4,
// GGUF blocks) is expanded, some rows at a time, into the caller's memory. Nothing is copied at
// load. The tensor's file must outlive this object.
class StoredWeight {
 public:
  StoredWeight() = default;
  // FormatError for a tensor that is no matrix.
  explicit StoredWeight(StoredTensor tensor);

  int64_t outputs() const { return outputs_; }  // N
  int64_t inputs() const { return inputs_; }    // K
  const StoredTensor& tensor() const { return tensor_; }

  // Rows [begin, begin + count) in place, or null where they are stored otherwise.
  const float* floats(int64_t begin) const { return in_place<float>(DType::kF32, begin); }
  const uint16_t* bfloats(int64_t begin) const { return in_place<uint16_t>(DType::kBf16, begin); }
  // The same written to `out`, rounded to the nearest for bfloat16. floats: room for a tile.
  void read(int64_t begin, int64_t count, float* out) const;
  void read(int64_t begin, int64_t count, std::vector<float>& floats, uint16_t* out) const;

 private:
  // The file's own elements at row `begin`, if they have this type and lie at a whole address.
  template <typename T>
  const T* in_place(DType dtype, int64_t begin) const;

  StoredTensor tensor_;
  int64_t outputs_ = 0, inputs_ = 0;
};

}  // namespace tandem::engine
