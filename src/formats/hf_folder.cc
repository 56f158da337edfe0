// SPDX-License-Identifier: Apache-2.0
#include "formats/hf_folder.h"

#include <fmt/ranges.h>

#include <utility>

#include "core/error.h"
#include "core/log.h"

namespace tandem {
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// A shard lies in the folder itself: an index must not reach other files of the machine.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

}  // namespace

HfFolder::HfFolder(const fs::path& path) : path_(path) {
  if (!fs::is_directory(path)) throw IoError("{}: no such model folder", path.string());
  config_ = read_json(config_path());
  if (!config_.is_object()) throw FormatError("{}: expected an object", config_path().string());
  load_weights();
}

void HfFolder::load_weights() {
  const fs::path single = path_ / kSingle, index = path_ / kIndex;
  if (fs::exists(single)) {
    if (fs::exists(index))
      spdlog::warn("{}: lies beside {}, which is not read, as in transformers", single.string(),
                   kIndex);
    tensors_ = files_.emplace_back(single).tensors();
    return;
  }
  if (fs::exists(index)) return load_shards(index);
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (fs::exists(path_ / name))
      throw FormatError("{}: the weights are a pickle ({}), expected {} or {}", path_.string(),
                        name, kSingle, kIndex);
  for (const auto& entry : fs::directory_iterator(path_))
    if (entry.path().extension() == ".safetensors")
      throw FormatError("{}: holds {}, but neither {} nor {}, which names the shards",
                        path_.string(), entry.path().filename().string(), kSingle, kIndex);
  throw IoError("{}: no weights, expected {} or {}", path_.string(), kSingle, kIndex);
}

void HfFolder::load_shards(const fs::path& index_path) {
  const std::string where = index_path.string();
  const Json index = read_json(index_path);
  const Json map = json_get<Json>(index, "weight_map", where);
  if (!map.is_object()) throw FormatError("{}: weight_map is not an object", where);
  std::map<std::string, size_t> opened;  // shard name to its place in files_
  for (const auto& [tensor, shard] : map.items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get<std::string>())) {
      throw FormatError("{}: weight_map['{}'] is {}, expected the name of a file in the folder",
                        where, tensor, shard.dump().substr(0, 80));
    }
    const auto name = shard.get<std::string>();
    const auto [place, is_new] = opened.emplace(name, files_.size());
    if (is_new && !fs::exists(path_ / name))
      throw FormatError("{}: weight_map['{}'] is {}, which is not in the folder", where, tensor,
                        name);
    if (is_new) files_.emplace_back(path_ / name);
    const SafetensorsFile& file = files_[place->second];
    if (!file.contains(tensor))
      throw FormatError(
          "{}: weight_map['{}'] is {}, which has no such tensor: index and shard "
          "are not of the same model",
          where, tensor, name);
    tensors_.emplace(tensor, file.at(tensor));
    shard_of_.emplace(tensor, place->second);
  }
}

fs::path HfFolder::file_of(const std::string& name) const {
  const auto shard = shard_of_.find(name);
  if (shard != shard_of_.end()) return files_[shard->second].path();
  return shard_of_.empty() && !files_.empty() ? files_.front().path() : path_ / kIndex;
}

const TensorView& HfFolder::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw FormatError("{}: tensor '{}' is missing", file_of(name).string(), name);
  return found->second;
}

const TensorView& HfFolder::weight(const TensorSpec& spec) const {
  const TensorView& view = floats(spec.name);
  if (view.shape != spec.shape) {
    throw FormatError("{}: tensor '{}' has shape {}, the configuration wants {}",
                      file_of(spec.name).string(), spec.name, format_shape(view.shape),
                      format_shape(spec.shape));
  }
  return view;
}

const TensorView& HfFolder::floats(const std::string& name) const {
  const TensorView& view = at(name);
  if (view.dtype != DType::kF32 && view.dtype != DType::kF16 && view.dtype != DType::kBf16)
    throw FormatError("{}: tensor '{}' is {}, expected F32, F16 or BF16", file_of(name).string(),
                      name, dtype_name(view.dtype));
  return view;
}

namespace {

// [begin, end) of the tensors of each file; a tensor larger than a shard gets a file of its own.
std::vector<std::pair<size_t, size_t>> plan_shards(std::span<const TensorSpec> tensors,
                                                   int64_t element_bytes, int64_t shard_bytes) {
  std::vector<std::pair<size_t, size_t>> shards;
  size_t begin = 0;
  int64_t bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t more = tensors[i].count() * element_bytes;
    if (i > begin && bytes + more > shard_bytes) {
      shards.emplace_back(begin, i);
      begin = i;
      bytes = 0;
    }
    bytes += more;
  }
  shards.emplace_back(begin, tensors.size());
  return shards;
}

}  // namespace

const OutputKind kModelFolder = {
    .name = "a model folder",
    .recognises =
        [](const fs::path& folder) {
          return json_file_has(folder / "config.json", "tandem_version");
        },
    .files = {"config.json", "generation_config.json", "model*.safetensors",
              "model.safetensors.index.json", "tokenizer.json", "tokenizer.model",
              "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
              "merges.txt", "chat_template.jinja", "spiece.model", "sentencepiece.bpe.model",
              "encoder.json", "vocab.bpe"}};

void write_hf_weights(
    const fs::path& folder, std::span<const TensorSpec> tensors, DType dtype, int64_t shard_bytes,
    const std::function<void(const TensorSpec& spec, std::span<std::byte> bytes)>& fill) {
  const auto shards = plan_shards(tensors, dtype_bytes(dtype), shard_bytes);
  Json weight_map = Json::object();
  int64_t total_bytes = 0;
  for (size_t s = 0; s < shards.size(); ++s) {
    const std::string name =
        shards.size() == 1 ? kSingle
                           : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
    std::vector<std::vector<std::byte>> data;
    std::vector<TensorView> views;
    for (size_t i = shards[s].first; i < shards[s].second; ++i) {
      data.emplace_back(static_cast<size_t>(tensors[i].count() * dtype_bytes(dtype)));
      fill(tensors[i], data.back());
      if (interrupted()) throw Stopped("{}: interrupted, nothing is kept", folder.string());
      views.push_back({tensors[i].name, dtype, tensors[i].shape, data.back()});
      weight_map[tensors[i].name] = name;
      total_bytes += static_cast<int64_t>(data.back().size());
    }
    write_safetensors(folder / name, views, Json{{"format", "pt"}});
  }
  if (shards.size() > 1) {
    write_json(folder / kIndex,
               Json{{"metadata", {{"total_size", total_bytes}}}, {"weight_map", weight_map}});
  }
}

}  // namespace tandem
