// SPDX-License-Identifier: Apache-2.0
#include "formats/hf_weight_writer.h"

#include <fmt/format.h>

#include "core/interrupt.h"
#include "core/json.h"

namespace tandem {
namespace {

std::string unfinished_name(size_t shard) { return fmt::format("model-{}.unfinished", shard); }

}  // namespace

void HfWeightWriter::add(TensorView view, std::shared_ptr<const void> owner) {
  if (interrupted()) throw Stopped("{}: interrupted, nothing is kept", folder_.string());
  const auto bytes = static_cast<int64_t>(view.bytes.size());
  if (!pending_.empty() && pending_bytes_ + bytes > shard_bytes_) write_shard();
  shard_of_.emplace_back(view.name, num_shards_);
  pending_.push_back(std::move(view));
  owners_.push_back(std::move(owner));
  pending_bytes_ += bytes;
  total_bytes_ += bytes;
}

void HfWeightWriter::write_shard() {
  write_safetensors(folder_ / unfinished_name(num_shards_), pending_, Json{{"format", "pt"}});
  ++num_shards_;
  pending_.clear();
  owners_.clear();
  pending_bytes_ = 0;
}

void HfWeightWriter::finish() {
  write_shard();
  std::vector<std::string> names;
  for (size_t s = 0; s < num_shards_; ++s) {
    names.push_back(num_shards_ == 1
                        ? "model.safetensors"
                        : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, num_shards_));
    fs::rename(folder_ / unfinished_name(s), folder_ / names.back());
  }
  if (num_shards_ == 1) return;
  // Put together as text: the JSON object looks a key up by a walk, which is slow for thousands.
  std::string map;
  for (const auto& [tensor, shard] : shard_of_)
    map += fmt::format("{}\n    {}: {}", map.empty() ? "" : ",", Json(tensor).dump(),
                       Json(names[shard]).dump());
  write_file(folder_ / "model.safetensors.index.json",
             fmt::format("{{\n  \"metadata\": {{\"total_size\": {}}},\n  \"weight_map\": {{{}\n  "
                         "}}\n}}\n",
                         total_bytes_, map));
}

}  // namespace tandem
