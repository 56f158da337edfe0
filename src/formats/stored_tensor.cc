// SPDX-License-Identifier: Apache-2.0
#include "formats/stored_tensor.h"

#include <cstring>

#include "core/check.h"
#include "core/error.h"
#include "formats/half.h"

namespace tandem {
namespace {

// Old files may have data at odd places.
template <typename Widen>
void widen_halves(const std::byte* bytes, int64_t count, float* out, const Widen& widen) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof bits);
    out[i] = widen(bits);
  }
}

void widen(const TensorView& view, int64_t begin, int64_t count, float* out) {
  const std::byte* bytes = view.bytes.data() + begin * dtype_bytes(view.dtype);
  if (view.dtype == DType::kF32) {
    std::memcpy(out, bytes, static_cast<size_t>(count) * sizeof(float));
  } else if (view.dtype == DType::kF16) {
    widen_halves(bytes, count, out, f16_to_float);
  } else {
    widen_halves(bytes, count, out, bf16_to_float);
  }
}

template <typename... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overload(Cases...) -> Overload<Cases...>;

}  // namespace

StoredTensor::StoredTensor(TensorView view) : name_(view.name), shape_(view.shape) {
  if (view.dtype != DType::kF32 && view.dtype != DType::kF16 && view.dtype != DType::kBf16)
    throw FormatError("tensor '{}' is {}, expected F32, F16 or BF16", view.name,
                      dtype_name(view.dtype));
  form_ = std::move(view);
}

StoredTensor::StoredTensor(std::string name, Nf4Tensor weight)
    : name_(std::move(name)), shape_(weight.shape), form_(std::move(weight)) {}

StoredTensor::StoredTensor(GgufTensor tensor, HeadInterleave interleave)
    : name_(tensor.name), shape_(tensor.shape), interleave_(interleave) {
  form_ = std::move(tensor);
}

int64_t StoredTensor::count() const {
  int64_t product = 1;
  for (const int64_t size : shape_) product *= size;
  return product;
}

std::string_view StoredTensor::type_name() const {
  return std::visit(
      Overload{[](const TensorView& view) { return dtype_name(view.dtype); },
               [](const Nf4Tensor&) { return std::string_view("NF4"); },
               [](const GgufTensor& tensor) { return ggml_type_info(tensor.type).name; }},
      form_);
}

int64_t StoredTensor::bytes() const {
  return std::visit(
      Overload{[](const Nf4Tensor& weight) { return weight.bytes(); },
               [](const auto& other) { return static_cast<int64_t>(other.bytes.size()); }},
      form_);
}

void StoredTensor::read_rows(int64_t begin, int64_t count_rows, float* out) const {
  TANDEM_CHECK(begin >= 0 && count_rows >= 0 && begin + count_rows <= rows(),
               "rows [{}, +{}) of '{}'", begin, count_rows, name_);
  const int64_t width = columns();
  std::visit(
      Overload{[&](const TensorView& view) { widen(view, begin * width, count_rows * width, out); },
               [&](const Nf4Tensor& weight) {
                 weight.dequantize(begin * width, count_rows * width, out);
               },
               [&](const GgufTensor& tensor) {
                 const int64_t head = interleave_.head_dim;
                 if (head == 0) return tensor.dequantize_rows(begin, count_rows, out);
                 for (int64_t r = begin; r < begin + count_rows; ++r) {
                   const int64_t j = r % head;
                   const int64_t from = r - j + 2 * (j % (head / 2)) + j / (head / 2);
                   tensor.dequantize_rows(from, 1, out + (r - begin) * width);
                 }
               }},
      form_);
}

std::vector<float> StoredTensor::read() const {
  std::vector<float> values(count());
  read_rows(0, rows(), values.data());
  return values;
}

}  // namespace tandem
