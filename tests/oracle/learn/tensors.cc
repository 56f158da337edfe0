// SPDX-License-Identifier: Apache-2.0
#include "oracle/learn/tensors.h"

#include <ATen/ops/from_blob.h>

#include <span>

#include "core/error.h"
#include "oracle/report.h"

namespace tandem::learn {
namespace {

std::span<const double> numbers(const at::Tensor& contiguous_double) {
  return {contiguous_double.const_data_ptr<double>(),
          static_cast<size_t>(contiguous_double.numel())};
}

}  // namespace

at::Tensor to_tensor(const SafetensorsFile& file, const std::string& name) {
  const TensorView& view = file.at(name);
  at::ScalarType type = at::kFloat;
  switch (view.dtype) {
    case DType::kF64:
      type = at::kDouble;
      break;
    case DType::kF32:
      break;
    case DType::kI64:
      type = at::kLong;
      break;
    case DType::kI32:
      type = at::kInt;
      break;
    case DType::kU8:
      type = at::kByte;
      break;
    default:
      throw FormatError("{}: {} has dtype {}", file.path().string(), name, dtype_name(view.dtype));
  }
  // clone() also gives the aligned copy that outlives the mapping.
  const at::Tensor copy =
      at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, type).clone();
  return type == at::kInt ? copy.to(at::kLong) : copy;
}

double difference(const at::Tensor& value, const at::Tensor& wanted, bool relative) {
  if (value.sizes() != wanted.sizes())
    throw ShapeError("found {} elements, expected {}", value.numel(), wanted.numel());
  const at::Tensor a = value.detach().to(at::kDouble).contiguous(),
                   b = wanted.to(at::kDouble).contiguous();
  return relative ? relative_to_max(numbers(a), numbers(b))
                  : max_abs_difference(numbers(a), numbers(b));
}

}  // namespace tandem::learn
