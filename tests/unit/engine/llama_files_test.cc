// SPDX-License-Identifier: Apache-2.0
// Llamas in other files than Hugging Face's, written here as the formats say, against plain loops:
// GGUF (llama.cpp) and llama2.c.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "engine/llama/llama.h"
#include "models/llama2c.h"
#include "support/llama_reference.h"
#include "support/random_retriever.h"

namespace tandem::engine {
namespace {

using test::LlamaReference;

class Bytes {
 public:
  template <typename T>
  void put(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(const std::string& value) {
    put(uint64_t{value.size()});
    out_ += value;
  }
  void floats(const LlamaReference::Vector& values) {
    for (const double value : values) put(static_cast<float>(value));
  }
  void pad(size_t alignment) { out_.resize((out_.size() + alignment - 1) / alignment * alignment); }
  void write(const fs::path& path) const { std::ofstream(path, std::ios::binary) << out_; }

 private:
  std::string out_;
};

// Both formats turn neighbours, (0, 1), (2, 3), where Hugging Face turns element j with j + half:
// row 2 j + s of a head is Hugging Face's row s * half + j.
LlamaReference::Vector interleaved(const LlamaReference::Weight& weight, int64_t head) {
  LlamaReference::Vector rows;
  for (int64_t row = 0; row < weight.rows; ++row) {
    const int64_t at = row % head, from = row - at + at % 2 * (head / 2) + at / 2;
    const auto begin = weight.values.begin() + from * weight.columns;
    rows.insert(rows.end(), begin, begin + weight.columns);
  }
  return rows;
}

struct GgufCase {
  const char* name;
  const char* arch;
  Json changes;  // of the reference's configuration
  std::vector<std::pair<std::string, uint32_t>> integers;
  std::vector<std::pair<std::string, float>> numbers;
  std::vector<std::pair<std::string, std::string>> texts;
  std::vector<float> rope_factors = {};
};

void write_gguf(const LlamaReference& model, const GgufCase& one, const fs::path& path) {
  const std::map<std::string, std::string> names = {{"model.embed_tokens", "token_embd"},
                                                    {"model.norm", "output_norm"},
                                                    {"lm_head", "output"},
                                                    {"input_layernorm", "attn_norm"},
                                                    {"self_attn.q_proj", "attn_q"},
                                                    {"self_attn.k_proj", "attn_k"},
                                                    {"self_attn.v_proj", "attn_v"},
                                                    {"self_attn.o_proj", "attn_output"},
                                                    {"self_attn.q_norm", "attn_q_norm"},
                                                    {"self_attn.k_norm", "attn_k_norm"},
                                                    {"post_attention_layernorm", "ffn_norm"},
                                                    {"mlp.gate_proj", "ffn_gate"},
                                                    {"mlp.up_proj", "ffn_up"},
                                                    {"mlp.down_proj", "ffn_down"}};
  struct Tensor {
    std::string name;
    int64_t rows, columns;
    LlamaReference::Vector values;
  };
  std::vector<Tensor> tensors;
  for (const auto& [key, weight] : model.weights) {
    const size_t dot = key.rfind('.');
    std::string module = key.substr(0, dot), prefix;
    if (module.starts_with("model.layers.")) {
      prefix = fmt::format("blk.{}.", module[13]);
      module = module.substr(15);
    }
    const bool rotates = one.arch == std::string("llama") && key.ends_with(".weight") &&
                         (module == "self_attn.q_proj" || module == "self_attn.k_proj");
    tensors.push_back({prefix + names.at(module) + key.substr(dot),
                       key.ends_with("norm.weight") || key.ends_with(".bias") ? 0 : weight.rows,
                       weight.columns,
                       rotates ? interleaved(weight, model.head_dim()) : weight.values});
  }
  if (!one.rope_factors.empty())
    tensors.push_back({"rope_freqs.weight",
                       0,
                       std::ssize(one.rope_factors),
                       {one.rope_factors.begin(), one.rope_factors.end()}});

  Bytes file;
  file.put(uint32_t{0x46554747});  // "GGUF"
  file.put(uint32_t{3});
  file.put(uint64_t{tensors.size()});
  file.put(uint64_t{1 + one.integers.size() + one.numbers.size() + one.texts.size()});
  const auto key = [&](const std::string& name, uint32_t type) {
    file.text(name.starts_with("tokenizer.") ? name : one.arch + ("." + name));
    file.put(type);
  };
  file.text("general.architecture");
  file.put(uint32_t{8});
  file.text(one.arch);
  for (const auto& [name, value] : one.integers) key(name, 4), file.put(value);
  for (const auto& [name, value] : one.numbers) key(name, 6), file.put(value);
  for (const auto& [name, value] : one.texts) key(name, 8), file.text(value);
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    file.text(tensor.name);
    file.put(tensor.rows > 0 ? 2u : 1u);
    file.put(static_cast<uint64_t>(tensor.columns));
    if (tensor.rows > 0) file.put(static_cast<uint64_t>(tensor.rows));
    file.put(uint32_t{0});  // F32
    file.put(offset);
    offset = (offset + 4 * tensor.values.size() + 31) / 32 * 32;
  }
  for (const Tensor& tensor : tensors) {
    file.pad(32);
    file.floats(tensor.values);
  }
  file.write(path);
}

void expect_logits(const fs::path& path, const LlamaReference& reference) {
  const Llama model(path);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 20; ++i) tokens.push_back(i * 37 % 61);
  const LlamaSequence sequence{20};
  ThreadPool pool(1);
  const Matrix found =
      model.logits(model.hidden(model.embed(tokens), {&sequence, 1}, 0, pool), pool);
  const LlamaReference::Rows wanted = reference.logits(tokens);
  double largest = 0;
  for (const LlamaReference::Vector& row : wanted)
    for (const double score : row) largest = std::max(largest, std::abs(score));
  ASSERT_EQ(found.columns, 61);
  for (int64_t r = 0; r < 20; ++r)
    for (int64_t v = 0; v < 61; ++v)
      ASSERT_NEAR(found.row(r)[v], wanted[r][v], 5e-6 * largest) << r << ", " << v;
}

TEST(GgufLlama, EveryArchitectureEqualsPlainLoops) {
  // Llama 3.1's factors of a head of 16 with theta 10^6, as llama.cpp's converter computes them: 1,
  // a mixture, 8.
  std::vector<float> factors;
  for (int j = 0; j < 8; ++j) {
    const double f = std::pow(1e6, -j / 8.0), wavelength = 2 * std::numbers::pi / f;
    const double smooth = std::clamp((8192 / wavelength - 1) / 3, 0.0, 1.0);
    factors.push_back(static_cast<float>(1 / ((1 - smooth) / 8 + smooth)));
  }
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 8192}};
  const GgufCase cases[] = {
      {"llama", "llama", Json::object(), {}, {}, {}},
      {"tied head", "llama", {{"tie_word_embeddings", true}}, {}, {}, {}},
      {"linear",
       "llama",
       {{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}},
       {},
       {{"rope.scaling.factor", 4.0f}},
       {{"rope.scaling.type", "linear"}}},
      {"llama3",
       "llama",
       {{"rope_scaling", llama3}, {"rope_theta", 1e6}, {"head_dim", 16}},
       {},
       {},
       {},
       factors},
      {"window",
       "llama",
       {{"model_type", "mistral"}, {"sliding_window", 5}},
       {{"attention.sliding_window", 5}},
       {},
       {}},
      {"qwen2", "qwen2", {{"model_type", "qwen2"}}, {}, {}, {}},
      {"qwen3", "qwen3", {{"model_type", "qwen3"}}, {}, {}, {}},
  };
  for (GgufCase one : cases) {
    SCOPED_TRACE(one.name);
    Json config = test::llama_variants()[0].config;
    config.update(one.changes);
    const LlamaReference reference = LlamaReference::random(config, 5);
    const auto head = static_cast<uint32_t>(reference.head_dim());
    const std::pair<std::string, uint32_t> sizes[] = {
        {"embedding_length", 24},       {"block_count", 3},
        {"feed_forward_length", 40},    {"attention.head_count", 4},
        {"attention.head_count_kv", 2}, {"context_length", 256},
        {"attention.key_length", head}, {"attention.value_length", head}};
    one.integers.insert(one.integers.end(), std::begin(sizes), std::end(sizes));
    one.numbers.push_back({"attention.layer_norm_rms_epsilon", 0.05f});
    one.numbers.push_back({"rope.freq_base", config.at("rope_theta").get<float>()});
    const test::TemporaryFolder folder;
    write_gguf(reference, one, folder.path() / "model.gguf");
    expect_logits(folder.path() / "model.gguf", reference);
  }
}

// llama2.c: seven sizes, then each kind of tensor of all layers, and tables of cosines that nobody
// reads. A vocabulary below zero says that the head has weights of its own.
TEST(Llama2c, ConvertedFilesEqualPlainLoops) {
  for (const bool tied : {false, true}) {
    SCOPED_TRACE(tied);
    Json config = test::llama_variants()[0].config;
    config.update({{"rms_norm_eps", 1e-5}, {"tie_word_embeddings", tied}, {"head_dim", 6}});
    const LlamaReference reference = LlamaReference::random(config, 6);
    Bytes file;
    for (const int32_t size : {24, 40, 3, 4, 2, tied ? 61 : -61, 10}) file.put(size);
    const auto layers = [&](const std::string& module) {
      for (int layer = 0; layer < 3; ++layer) {
        const LlamaReference::Weight& weight =
            reference.weights.at(fmt::format("model.layers.{}.{}.weight", layer, module));
        const bool rotates = module.ends_with("q_proj") || module.ends_with("k_proj");
        file.floats(rotates ? interleaved(weight, 6) : weight.values);
      }
    };
    file.floats(reference.weights.at("model.embed_tokens.weight").values);
    for (const char* module : {"input_layernorm", "self_attn.q_proj", "self_attn.k_proj",
                               "self_attn.v_proj", "self_attn.o_proj", "post_attention_layernorm",
                               "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"})
      layers(module);
    file.floats(reference.weights.at("model.norm.weight").values);
    file.floats(LlamaReference::Vector(10 * 6, 7.0));
    if (!tied) file.floats(reference.weights.at("lm_head.weight").values);
    const test::TemporaryFolder folder;
    file.write(folder.path() / "model.bin");
    convert_llama2c(folder.path() / "model.bin", folder.path() / "out");
    expect_logits(folder.path() / "out", reference);
  }
}

}  // namespace
}  // namespace tandem::engine
