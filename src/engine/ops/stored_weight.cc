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

template const float* StoredWeight::in_place(DType, int64_t) const;
template const uint16_t* StoredWeight::in_place(DType, int64_t) const;

void StoredWeight::read(int64_t begin, int64_t count, float* out) const {
  // The common half-precision files go through the machine's widest vectors.
  if (const uint16_t* bf16 = bfloats(begin)) return widen_bf16(bf16, count * inputs_, out);
  if (const auto* f16 = in_place<uint16_t>(DType::kF16, begin))
    return widen_f16(f16, count * inputs_, out);
  tensor_.read_rows(begin, count, out);
}

void StoredWeight::read(int64_t begin, int64_t count, std::vector<float>& floats,
                        uint16_t* out) const {
  if (const uint16_t* bf16 = bfloats(begin)) {
    std::copy_n(bf16, count * inputs_, out);
  } else if (const Nf4Tensor* nf4 = tensor_.nf4()) {
    nf4->dequantize_bf16(begin * inputs_, count * inputs_, out);
  } else {
    const float* from = this->floats(begin);
    if (!from) {
      floats.resize(static_cast<size_t>(count * inputs_));
      read(begin, count, floats.data());
      from = floats.data();
    }
    narrow_bf16(from, count * inputs_, out);
  }
}

}  // namespace tandem::engine
