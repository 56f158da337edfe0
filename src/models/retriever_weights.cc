// SPDX-License-Identifier: Apache-2.0
#include "models/retriever_weights.h"

#include "core/check.h"
#include "core/error.h"
#include "formats/torch_pickle.h"

namespace tandem {
namespace {

std::map<std::string, std::vector<int64_t>> shapes_of(
    const std::map<std::string, TensorView>& tensors) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [name, tensor] : tensors) shapes[name] = tensor.shape;
  return shapes;
}

}  // namespace

RetrieverWeights RetrieverWeights::open(const fs::path& path,
                                        const RetrieverModelConfig& fallback) {
  RetrieverWeights weights;
  const bool folder = fs::is_directory(path);
  if (!folder && !fs::exists(path))
    throw IoError("{}: no such run folder or checkpoint", path.string());
  weights.path_ = folder ? path / kRetrieverWeightsFile : path;
  const fs::path config_file = (folder ? path : path.parent_path()) / kRetrieverConfigFile;
  if (folder && !fs::exists(config_file))
    throw IoError("{}: is not a retriever's run folder, it has no {}", path.string(),
                  kRetrieverConfigFile);

  if (weights.path_.extension() == ".safetensors") {
    const auto file = std::make_shared<SafetensorsFile>(weights.path_);
    weights.tensors_ = file->tensors();
    weights.storage_ = file;
  } else {
    const auto file = std::make_shared<TorchPickleFile>(weights.path_);
    weights.tensors_ = file->tensors();
    weights.storage_ = file;
  }

  const bool described =
      fs::exists(config_file) && (folder || read_json(config_file).contains("model_type"));
  if (described) {
    weights.config_ = RetrieverModelConfig::from_json(read_json(config_file), config_file.string());
  } else {
    weights.config_ =
        config_from_shapes(shapes_of(weights.tensors_), fallback, weights.path_.string());
  }
  weights.check();
  return weights;
}

void RetrieverWeights::check() const {
  const std::string where = path_.string();
  for (const ParameterSpec& spec : retriever_parameters(config_)) {
    const auto found = tensors_.find(spec.name);
    if (found == tensors_.end()) throw FormatError("{}: tensor '{}' is missing", where, spec.name);
    const TensorView& tensor = found->second;
    if (tensor.shape != spec.shape)
      throw FormatError("{}: tensor '{}' has the shape {}, expected {}", where, spec.name,
                        shape_text(tensor.shape), shape_text(spec.shape));
    if (tensor.dtype != DType::kF32)
      throw FormatError("{}: tensor '{}' has the type {}, expected F32", where, spec.name,
                        dtype_name(tensor.dtype));
  }
}

std::span<const float> RetrieverWeights::values(const std::string& name) const {
  const auto found = tensors_.find(name);
  TANDEM_CHECK(found != tensors_.end(), "tensor '{}'", name);
  return found->second.as<float>();
}

}  // namespace tandem
