// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "formats/stored_tensor.h"

namespace tandem::engine {

// Room for a tile, from call to call: one a thread.
struct TileScratch {
  std::vector<float> floats;
  std::vector<uint16_t> halves;

  template <typename Element>
  std::vector<Element>& of() {
    if constexpr (std::is_same_v<Element, float>)
      return floats;
    else
      return halves;
  }
};

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

  // Rows [begin, begin + count), in place or in scratch. Element: float, or uint16_t for the bits
  // of bfloat16, to which others are rounded.
  template <typename Element>
  const Element* tile(int64_t begin, int64_t count, TileScratch& scratch) const;
  // The same of a list of rows, in scratch.
  template <typename Element>
  const Element* gather(std::span<const int32_t> rows, TileScratch& scratch) const;
  // Rows written to `out`.
  void read(int64_t begin, int64_t count, float* out) const;

 private:
  void read(int64_t begin, int64_t count, TileScratch& scratch, float* out) const;
  void read(int64_t begin, int64_t count, TileScratch& scratch, uint16_t* out) const;
  // The file's own elements at row `begin`, if they have this type and lie at a whole address.
  template <typename T>
  const T* in_place(DType dtype, int64_t begin) const;

  StoredTensor tensor_;
  int64_t outputs_ = 0, inputs_ = 0;
};

}  // namespace tandem::engine
