// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/stored_weight.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "engine/kernels/vector_ops.h"

namespace tandem::engine {

StoredWeight::StoredWeight(StoredTensor tensor) : tensor_(std::move(tensor)) {
  if (tensor_.shape().size() != 2)
    throw FormatError("tensor '{}' has {} axes, expected 2", tensor_.name(),
                      tensor_.shape().size());
  outputs_ = tensor_.shape()[0];
  inputs_ = tensor_.shape()[1];
}

template <typename T>
const T* StoredWeight::in_place(DType dtype, int64_t begin) const {
  const TensorView* view = tensor_.floats();
  if (!view || view->dtype != dtype) return nullptr;
  const std::byte* data = view->bytes.data() + begin * inputs_ * int64_t{sizeof(T)};
  const bool is_aligned = reinterpret_cast<uintptr_t>(data) % alignof(T) == 0;
  return is_aligned ? reinterpret_cast<const T*>(data) : nullptr;
}

void StoredWeight::read(int64_t begin, int64_t count, float* out) const {
  // The common half-precision files go through the machine's widest vectors.
  if (const auto* bf16 = in_place<uint16_t>(DType::kBf16, begin))
    return widen_bf16(bf16, count * inputs_, out);
  if (const auto* f16 = in_place<uint16_t>(DType::kF16, begin))
    return widen_f16(f16, count * inputs_, out);
  tensor_.read_rows(begin, count, out);
}

void StoredWeight::read(int64_t begin, int64_t count, TileScratch&, float* out) const {
  read(begin, count, out);
}

void StoredWeight::read(int64_t begin, int64_t count, TileScratch& scratch, uint16_t* out) const {
  if (const auto* bf16 = in_place<uint16_t>(DType::kBf16, begin)) {
    std::copy_n(bf16, count * inputs_, out);
  } else if (const Nf4Tensor* nf4 = tensor_.nf4()) {
    nf4->dequantize_bf16(begin * inputs_, count * inputs_, out);
  } else {
    narrow_bf16(tile<float>(begin, count, scratch), count * inputs_, out);
  }
}

template <typename Element>
const Element* StoredWeight::tile(int64_t begin, int64_t count, TileScratch& scratch) const {
  constexpr DType kStored = std::is_same_v<Element, float> ? DType::kF32 : DType::kBf16;
  if (const Element* data = in_place<Element>(kStored, begin)) return data;
  std::vector<Element>& room = scratch.of<Element>();
  room.resize(count * inputs_);
  read(begin, count, scratch, room.data());
  return room.data();
}

template <typename Element>
const Element* StoredWeight::gather(std::span<const int32_t> rows, TileScratch& scratch) const {
  std::vector<Element>& room = scratch.of<Element>();
  room.resize(rows.size() * static_cast<size_t>(inputs_));
  for (int64_t n = 0; n < std::ssize(rows); ++n)
    read(rows[n], 1, scratch, room.data() + n * inputs_);
  return room.data();
}

template const float* StoredWeight::tile(int64_t, int64_t, TileScratch&) const;
template const uint16_t* StoredWeight::tile(int64_t, int64_t, TileScratch&) const;
template const float* StoredWeight::gather(std::span<const int32_t>, TileScratch&) const;
template const uint16_t* StoredWeight::gather(std::span<const int32_t>, TileScratch&) const;

}  // namespace tandem::engine
