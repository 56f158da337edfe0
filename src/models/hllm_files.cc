// SPDX-License-Identifier: Apache-2.0
#include "models/hllm_files.h"

#include <fmt/format.h>

#include <span>

#include "core/error.h"
#include "core/sha256.h"
#include "formats/stored_tensor.h"
#include "models/time_embedding.h"

namespace tandem {
namespace {

std::vector<float> read_parameter(const SafetensorsFile& file, const TensorSpec& spec) {
  const StoredTensor tensor(file.at(spec.name));
  if (tensor.shape() != spec.shape)
    throw FormatError("{}: tensor '{}' has shape {}, expected {}", file.path().string(), spec.name,
                      format_shape(tensor.shape()), format_shape(spec.shape));
  return tensor.read();
}

void check_widths(const HllmFiles& files) {
  const int64_t item = files.item_tower->config().hidden_size,
                user = files.user_tower->config().hidden_size;
  const std::string where = files.folder.string();
  if (user != files.config.width)
    throw FormatError("{}: the User LLM has width {}, config.json says {}", where, user,
                      files.config.width);
  if (!files.config.has_projector && item != user)
    throw FormatError(
        "{}: the Item LLM has width {}, the User LLM {}, and config.json has no projector between "
        "them",
        where, item, user);
}

}  // namespace

bool is_hllm_folder(const fs::path& path) {
  return json_file_has(path / kHllmConfigFile, "model_type", kHllmModelType);
}

std::string HllmFiles::item_fingerprint() const {
  Sha256 sha;
  sha.add(item_tower->fingerprint()).add(hllm_pooling_name(config.pooling));
  sha.add(std::as_bytes(std::span(item_token))).add(std::as_bytes(std::span(projector)));
  return sha.hex();
}

HllmFiles open_hllm(const fs::path& folder) {
  const fs::path file = folder / kHllmConfigFile;
  return open_hllm(folder, HllmConfig::from_json(read_json(file), file.string()));
}

HllmFiles open_hllm(const fs::path& folder, const HllmConfig& config) {
  HllmFiles files{.folder = folder, .config = config};
  files.item_tower = open_llama(folder / kItemTowerFolder, {.embedding = true, .head = false});
  files.user_tower = config.shared_towers ? files.item_tower
                                          : open_llama(folder / kUserTowerFolder,
                                                       {.embedding = false, .head = false});
  check_widths(files);
  const int64_t item_width = files.item_tower->config().hidden_size;
  const SafetensorsFile extra(folder / kExtraParametersFile);
  if (config.pooling == HllmPooling::kToken)
    files.item_token = read_parameter(extra, {kItemTokenName, {1, 1, item_width}});
  if (config.has_projector)
    files.projector = read_parameter(extra, {kProjectorName, {config.width, item_width}});
  if (config.time_width > 0)
    for (const TensorSpec& spec : time_parameters(config.time_width, config.width))
      files.time.push_back(read_parameter(extra, spec));
  for (const TensorSpec& spec : ranking_parameters(config.ranking, config.width))
    files.ranking.push_back(read_parameter(extra, spec));
  files.log_scale = read_parameter(extra, {kLogScaleName, {}}).front();
  return files;
}

}  // namespace tandem
