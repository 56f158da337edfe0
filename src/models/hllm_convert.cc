// SPDX-License-Identifier: Apache-2.0
#include "models/hllm_convert.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "formats/hf_weight_writer.h"
#include "formats/torch_pickle.h"
#include "models/hllm_files.h"
#include "models/llama_config.h"
#include "models/llama_merge.h"

namespace tandem {
namespace {

constexpr int64_t kShardBytes = int64_t{2} << 30;
constexpr const char* kFinalNorm = "item_llm.model.norm.weight";

// What torch wrappers put before the names.
constexpr std::array kPrefixes = {"", "module.", "_forward_module."};

const char* prefix_of(const TorchPickleFile& file) {
  for (const char* prefix : kPrefixes)
    if (file.contains(fmt::format("{}{}", prefix, kFinalNorm))) return prefix;
  return nullptr;
}

// Baichuan2-7B is a Llama with its own names for the configuration and q, k, v in one matrix.
LlamaConfig tower_config(const fs::path& base) {
  const fs::path path = base / "config.json";
  Json json = read_json(path);
  if (json.is_object() && json.value("model_type", "") == "baichuan") {
    json["model_type"] = "llama";
    if (json.contains("model_max_length"))
      json["max_position_embeddings"] = json["model_max_length"];
  }
  return LlamaConfig::from_json(json, path.string());
}

// Rows [begin, begin + count) of a matrix.
TensorView rows_of(const TensorView& matrix, int64_t begin, int64_t count) {
  const int64_t row = std::ssize(matrix.bytes) / matrix.shape[0];
  TensorView rows = matrix;
  rows.shape[0] = count;
  rows.bytes = matrix.bytes.subspan(begin * row, count * row);
  return rows;
}

class Checkpoint {
 public:
  explicit Checkpoint(const fs::path& path) : file_(std::make_shared<TorchPickleFile>(path)) {
    const char* prefix = prefix_of(*file_);
    if (!prefix) throw FormatError("{}: has no tensor '{}'", path.string(), kFinalNorm);
    prefix_ = prefix;
  }

  const std::shared_ptr<const TorchPickleFile>& file() const { return file_; }
  bool contains(const std::string& name) const { return file_->contains(prefix_ + name); }
  const TensorView& at(const std::string& name) const { return file_->at(prefix_ + name); }

  // A tower's parameter under its Hugging Face name.
  TensorView parameter(const std::string& tower, const TensorSpec& spec,
                       const LlamaConfig& config) const {
    const std::string name = fmt::format("{}.{}", tower, spec.name);
    TensorView view = contains(name) ? at(name) : packed_part(tower, spec, config);
    if (view.shape != spec.shape)
      throw FormatError("{}: tensor '{}' has shape {}, the base's configuration wants {}",
                        file_->path().string(), prefix_ + name, format_shape(view.shape),
                        format_shape(spec.shape));
    if (view.dtype != DType::kF32 && view.dtype != DType::kF16 && view.dtype != DType::kBf16)
      throw FormatError("{}: tensor '{}' is {}, expected F32, F16 or BF16", file_->path().string(),
                        prefix_ + name, dtype_name(view.dtype));
    view.name = spec.name;
    return view;
  }

 private:
  // q, k or v of Baichuan's W_pack [3 d, d].
  TensorView packed_part(const std::string& tower, const TensorSpec& spec,
                         const LlamaConfig& config) const {
    constexpr std::array kParts = {"q_proj.weight", "k_proj.weight", "v_proj.weight"};
    for (size_t i = 0; i < kParts.size(); ++i) {
      if (!spec.name.ends_with(kParts[i])) continue;
      const std::string stem = spec.name.substr(0, spec.name.size() - 13);
      const std::string packed = fmt::format("{}.{}W_pack.weight", tower, stem);
      if (!contains(packed)) break;
      const TensorView& all = at(packed);
      const std::vector<int64_t> wanted = {3 * config.hidden_size, config.hidden_size};
      if (all.shape != wanted)
        throw FormatError("{}: tensor '{}' has shape {}, expected {}", file_->path().string(),
                          prefix_ + packed, format_shape(all.shape), format_shape(wanted));
      return rows_of(all, static_cast<int64_t>(i) * config.hidden_size, config.hidden_size);
    }
    return at(fmt::format("{}.{}", tower, spec.name));  // not there: FormatError
  }

  std::shared_ptr<const TorchPickleFile> file_;
  std::string prefix_;
};

std::string_view torch_name(DType dtype) {
  return dtype == DType::kF32 ? "float32" : dtype == DType::kF16 ? "float16" : "bfloat16";
}

void write_tower(const Checkpoint& checkpoint, const std::string& tower, LlamaConfig config,
                 const fs::path& folder) {
  const std::string after =
      fmt::format("{}.{}input_layernorm.weight", tower, llama_layer_prefix(config.num_layers));
  if (checkpoint.contains(after))
    throw FormatError("{}: has the tensor '{}', the base only {} layers",
                      checkpoint.file()->path().string(), after, config.num_layers);
  fs::create_directory(folder);
  HfWeightWriter writer(folder, kShardBytes);
  DType dtype = DType::kF32;
  for (const TensorSpec& spec : llama_tensors(config)) {
    const TensorView view = checkpoint.parameter(tower, spec, config);
    dtype = view.dtype;
    writer.add(view, checkpoint.file());
  }
  writer.finish();
  write_json(folder / "config.json", config.to_json(torch_name(dtype)));
}

bool has_shards(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("zero_pp_rank_") || name.starts_with("mp_rank_") ||
        name.starts_with("bf16_zero_pp_rank_"))
      return true;
  }
  return false;
}

}  // namespace

const OutputKind kHllmFolder = {
    .name = "a converted HLLM",
    .recognises = [](const fs::path& folder) { return is_hllm_folder(folder); },
    .files = {kHllmConfigFile, "item_llm/*", "user_llm/*", kExtraParametersFile, "item_vectors*"}};

bool is_hllm_checkpoint(const fs::path& file) {
  try {
    return fs::is_regular_file(file) && prefix_of(TorchPickleFile(file)) != nullptr;
  } catch (const Error&) {
    return false;
  }
}

void convert_hllm(const fs::path& file, const fs::path& base, HllmConfig config,
                  const Output& output) {
  const Checkpoint checkpoint(file);
  LlamaConfig tower = tower_config(base);
  tower.has_head = false;
  config.width = tower.hidden_size;
  config.pooling = checkpoint.contains(kItemTokenName) ? HllmPooling::kToken : HllmPooling::kMean;
  StagedFolder staged(output);
  write_tower(checkpoint, kItemTowerFolder, tower, staged.path() / kItemTowerFolder);
  copy_model_side_files(base, staged.path() / kItemTowerFolder);
  tower.has_embedding = false;
  write_tower(checkpoint, kUserTowerFolder, tower, staged.path() / kUserTowerFolder);
  std::vector<TensorView> extra;
  for (const char* name : {kItemTokenName, kLogScaleName}) {
    if (!checkpoint.contains(name)) continue;
    extra.push_back(checkpoint.at(name));
    extra.back().name = name;
  }
  write_safetensors(staged.path() / kExtraParametersFile, extra);
  write_json(staged.path() / kHllmConfigFile, config.to_json());
  open_hllm(staged.path());  // what does not fit is an error now
  staged.commit();
}

void refuse_deepspeed(const fs::path& path) {
  if (!fs::is_directory(path)) return;
  bool shards = has_shards(path);
  for (const auto& entry : fs::directory_iterator(path))
    if (!shards && entry.is_directory()) shards = has_shards(entry.path());
  if (!shards) return;
  throw FormatError(
      "{}: is a checkpoint in DeepSpeed's shards (zero_pp_rank_*, mp_rank_*), one for each "
      "process; "
      "DeepSpeed's script in that folder, `python zero_to_fp32.py {} pytorch_model.bin`, makes one "
      "file of it, and that can be converted",
      path.string(), path.string());
}

}  // namespace tandem
