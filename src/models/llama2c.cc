// SPDX-License-Identifier: Apache-2.0
#include "models/llama2c.h"

#include <array>
#include <cstring>
#include <map>
#include <utility>

#include "core/error.h"
#include "formats/hf_folder.h"
#include "models/llama_config.h"

namespace tandem {
namespace {

constexpr int64_t kHeaderBytes = 7 * sizeof(int32_t);
// Products of three sizes stay below 2^56.
constexpr int64_t kLargestSize = int64_t{1} << 20, kMostLayers = 4096;

LlamaConfig read_header(const MappedFile& file) {
  const std::string where = file.path().string();
  std::array<int32_t, 7> sizes;
  if (file.size() < kHeaderBytes)
    throw FormatError("{}: {} bytes, expected a header of {}", where, file.size(), kHeaderBytes);
  std::memcpy(sizes.data(), file.bytes().data(), kHeaderBytes);
  constexpr std::array<const char*, 7> kNames = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                                 "n_kv_heads", "vocab_size", "seq_len"};
  const bool has_head = sizes[5] < 0;  // a negative vocabulary says that the head is untied
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t size = i == 5 && has_head ? -int64_t{sizes[i]} : sizes[i];
    const int64_t most = i == 2 ? kMostLayers : kLargestSize;
    if (size < 1 || size > most)
      throw FormatError("{}: {} is {}, expected 1 to {}", where, kNames[i], sizes[i], most);
  }
  if (sizes[0] % sizes[3] != 0)
    throw FormatError("{}: dim {} is not a multiple of n_heads {}", where, sizes[0], sizes[3]);
  LlamaConfig config{.vocab_size = has_head ? -int64_t{sizes[5]} : sizes[5],
                     .hidden_size = sizes[0],
                     .intermediate_size = sizes[1],
                     .num_layers = sizes[2],
                     .num_heads = sizes[3],
                     .num_kv_heads = sizes[4],
                     .head_dim = sizes[0] / sizes[3],
                     .max_positions = sizes[6],
                     .rms_norm_eps = 1e-5,
                     .tied_head = !has_head,
                     .bos_token = 1,
                     .eos_tokens = {2}};
  config.validate(where);
  return config;
}

// Where a Hugging Face tensor's data begins, in floats behind the header. The file holds each kind
// of tensor of all layers in a row.
std::map<std::string, int64_t> locate(const LlamaConfig& c, const std::string& where,
                                      int64_t available) {
  std::map<std::string, int64_t> offsets;
  int64_t at = 0;
  const auto put = [&](const std::string& name, int64_t count) {
    offsets[name] = at;
    at += count;
    if (at > available)
      throw FormatError("{}: {} floats, tensor '{}' ends at {}", where, available, name, at);
  };
  const auto put_layers = [&](std::string_view name, int64_t count) {
    for (int64_t layer = 0; layer < c.num_layers; ++layer)
      put(llama_layer_prefix(layer) + std::string(name) + ".weight", count);
  };
  const int64_t d = c.hidden_size, inner = c.intermediate_size;
  put("model.embed_tokens.weight", c.vocab_size * d);
  put_layers("input_layernorm", d);
  put_layers("self_attn.q_proj", c.query_width() * d);
  put_layers("self_attn.k_proj", c.kv_width() * d);
  put_layers("self_attn.v_proj", c.kv_width() * d);
  put_layers("self_attn.o_proj", c.query_width() * d);
  put_layers("post_attention_layernorm", d);
  put_layers("mlp.gate_proj", inner * d);
  put_layers("mlp.down_proj", inner * d);
  put_layers("mlp.up_proj", inner * d);
  put("model.norm.weight", d);
  put("tables of cosines and sines", c.max_positions * c.head_dim);
  if (!c.tied_head) put("lm_head.weight", c.vocab_size * d);
  if (at != available)
    throw FormatError("{}: {} floats, the sizes in its header need {}", where, available, at);
  return offsets;
}

}  // namespace

void convert_llama2c(const fs::path& path, const Output& output) {
  const MappedFile file(path);
  const LlamaConfig config = read_header(file);
  const auto data_bytes = static_cast<int64_t>(file.size()) - kHeaderBytes;
  const auto offsets = locate(config, path.string(), data_bytes / int64_t{sizeof(float)});
  const int64_t row = config.hidden_size * int64_t{sizeof(float)}, head = config.head_dim;
  const auto fill = [&](const TensorSpec& spec, std::span<std::byte> out) {
    const std::byte* from = file.bytes().data() + kHeaderBytes +
                            offsets.at(spec.name) * static_cast<int64_t>(sizeof(float));
    if (!spec.name.ends_with("q_proj.weight") && !spec.name.ends_with("k_proj.weight")) {
      std::memcpy(out.data(), from, out.size());
      return;
    }
    for (int64_t r = 0; r < spec.shape[0]; ++r) {
      const int64_t j = r % head;  // element j of a head, pair j % (head / 2)
      const int64_t source = r - j + 2 * (j % (head / 2)) + j / (head / 2);
      std::memcpy(out.data() + r * row, from + source * row, row);
    }
  };
  StagedFolder staged(output);
  write_json(staged.path() / "config.json", config.to_json("float32"));
  write_hf_weights(staged.path(), llama_tensors(config), DType::kF32, int64_t{2} << 30, fill);
  staged.commit();
}

}  // namespace tandem
