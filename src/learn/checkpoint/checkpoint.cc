// SPDX-License-Identifier: Apache-2.0
#include "learn/checkpoint/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "formats/safetensors.h"

namespace tandem::learn {

void save_tensors(const fs::path& path, std::span<const NamedParameter> tensors,
                  const Json& metadata) {
  std::vector<at::Tensor> held;  // keeps the bytes alive until they are written
  std::vector<TensorView> views;
  for (const NamedParameter& tensor : tensors) {
    held.push_back(tensor.value.detach().cpu().contiguous());
    const at::Tensor& value = held.back();
    if (value.scalar_type() != at::kFloat) {
      throw ShapeError("{}: tensor '{}' is not float32", path.string(), tensor.name);
    }
    views.push_back({.name = tensor.name,
                     .dtype = DType::kF32,
                     .shape = value.sizes().vec(),
                     .bytes = std::as_bytes(
                         std::span(value.data_ptr<float>(), static_cast<size_t>(value.numel())))});
  }
  write_safetensors(path, views, metadata);
}

Json load_tensors(const fs::path& path, std::span<const NamedParameter> tensors) {
  const SafetensorsFile file(path);
  at::NoGradGuard no_grad;
  for (const NamedParameter& tensor : tensors) {
    const TensorView& view = file.at(tensor.name);
    if (view.shape != tensor.value.sizes().vec()) {
      throw FormatError("{}: tensor '{}' has shape [{}], expected [{}]", path.string(), tensor.name,
                        fmt::join(view.shape, ", "), fmt::join(tensor.value.sizes().vec(), ", "));
    }
    const auto values = view.as<float>();
    // copy_ only reads from the mapping.
    tensor.value.detach().copy_(
        at::from_blob(const_cast<float*>(values.data()), tensor.value.sizes(), at::kFloat));
  }
  if (file.tensors().size() != tensors.size()) {
    throw FormatError("{}: holds {} tensors, expected {}", path.string(), file.tensors().size(),
                      tensors.size());
  }
  return file.metadata();
}

}  // namespace tandem::learn
