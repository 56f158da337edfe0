// SPDX-License-Identifier: Apache-2.0
#include "models/retriever_weights.h"

#include <algorithm>

#include "core/check.h"
#include "core/error.h"
#include "formats/torch_pickle.h"

namespace tandem {
namespace {

TensorShapes shapes_of(const std::map<std::string, TensorView>& tensors) {
  TensorShapes shapes;
  for (const auto& [name, tensor] : tensors) shapes[name] = tensor.shape;
  return shapes;
}

// Values that views of renumbered weights look into, and the file that the others are in.
struct RenumberedStorage {
  std::shared_ptr<const void> file;
  std::vector<std::vector<float>> values;
};

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
    weights.run_folder_ = config_file.parent_path();
  } else {
    weights.config_ =
        config_from_shapes(shapes_of(weights.tensors_), fallback, weights.path_.string());
  }
  weights.check();
  return weights;
}

void RetrieverWeights::check() const {
  const std::string where = path_.string();
  for (const TensorSpec& spec : retriever_parameters(config_)) {
    const auto found = tensors_.find(spec.name);
    if (found == tensors_.end()) throw FormatError("{}: tensor '{}' is missing", where, spec.name);
    const TensorView& tensor = found->second;
    if (tensor.shape != spec.shape)
      throw FormatError("{}: tensor '{}' has the shape {}, expected {}", where, spec.name,
                        format_shape(tensor.shape), format_shape(spec.shape));
    if (tensor.dtype != DType::kF32)
      throw FormatError("{}: tensor '{}' has the type {}, expected F32", where, spec.name,
                        dtype_name(tensor.dtype));
  }
}

RetrieverWeights RetrieverWeights::renumbered(std::span<const int32_t> items) const {
  for (const int32_t item : items)
    if (item < 0 || item > config_.num_items)
      throw ShapeError("renumbered: item {} is not among the model's items 1..{}", item,
                       config_.num_items);
  RetrieverWeights result = *this;
  result.config_.num_items = std::ssize(items);
  result.config_.dataset_fingerprint = "";
  result.known_.assign(items.size() + 1, 1);
  for (size_t i = 0; i < items.size(); ++i) result.known_[i + 1] = items[i] != 0;
  if (std::ranges::find(result.known_, 0) == result.known_.end()) result.known_.clear();

  const auto storage = std::make_shared<RenumberedStorage>();
  storage->file = storage_;
  // A parameter with a row an item is one that a further item makes longer. Row 0 is the padding
  // item's; what stands behind the items (a mask) stays behind them.
  RetrieverModelConfig longer = config_;
  longer.num_items += 1;
  const std::vector<TensorSpec> specs = retriever_parameters(config_),
                                longer_specs = retriever_parameters(longer);
  for (size_t s = 0; s < specs.size(); ++s) {
    const TensorSpec& spec = specs[s];
    if (spec.shape == longer_specs[s].shape) continue;
    const std::span<const float> rows = values(spec.name);
    const auto width = static_cast<int64_t>(rows.size()) / spec.shape[0];
    const int64_t behind = spec.shape[0] - config_.num_items - 1;
    std::vector<float> moved((std::ssize(items) + 1 + behind) * width, 0.0f);
    const auto move_row = [&](int64_t from, int64_t to) {
      std::copy_n(rows.begin() + from * width, width, moved.begin() + to * width);
    };
    move_row(0, 0);
    for (int64_t i = 0; i < std::ssize(items); ++i)
      if (items[i] != 0) move_row(items[i], i + 1);
    for (int64_t i = 0; i < behind; ++i)
      move_row(config_.num_items + 1 + i, std::ssize(items) + 1 + i);
    storage->values.push_back(std::move(moved));
    TensorView& tensor = result.tensors_.at(spec.name);
    tensor.shape[0] = std::ssize(items) + 1 + behind;
    tensor.bytes = std::as_bytes(std::span<const float>(storage->values.back()));
  }
  result.storage_ = storage;
  return result;
}

std::span<const float> RetrieverWeights::values(const std::string& name) const {
  const auto found = tensors_.find(name);
  TANDEM_CHECK(found != tensors_.end(), "tensor '{}'", name);
  return found->second.as<float>();
}

}  // namespace tandem
