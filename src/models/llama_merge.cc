// SPDX-License-Identifier: Apache-2.0
#include "models/llama_merge.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "core/error.h"
#include "core/version.h"
#include "formats/bnb_tensor.h"
#include "formats/half.h"
#include "formats/hf_weight_writer.h"
#include "models/llama_adapter.h"

namespace tandem {
namespace {

// Rows that one task reads, changes and rounds.
constexpr int64_t kRows = 64;

std::string_view torch_name(DType dtype) {
  return dtype == DType::kF32 ? "float32" : dtype == DType::kF16 ? "float16" : "bfloat16";
}

DType target_dtype(const StoredTensor& tensor, const LlamaExport& options) {
  if (options.dtype) return *options.dtype;
  for (const DType dtype : {DType::kF32, DType::kF16})
    if (tensor.type_name() == dtype_name(dtype)) return dtype;
  return DType::kBf16;
}

void narrow(const std::vector<float>& values, DType dtype, std::byte* out) {
  if (dtype == DType::kF32) {
    std::memcpy(out, values.data(), values.size() * sizeof(float));
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = dtype == DType::kF16 ? float_to_f16(values[i]) : float_to_bf16(values[i]);
    std::memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

// Adds scale B A to rows [begin, begin + count) of a weight. a is [rank, in], b these rows of B.
void add_product(const std::vector<float>& a, const float* b, int64_t rank, double scale,
                 int64_t count, int64_t columns, float* rows) {
  const auto factor = static_cast<float>(scale);
  std::vector<float> delta(columns);
  for (int64_t r = 0; r < count; ++r) {
    std::fill(delta.begin(), delta.end(), 0.0f);
    for (int64_t k = 0; k < rank; ++k) {
      const float by = b[r * rank + k];
      const float* from = a.data() + k * columns;
      for (int64_t c = 0; c < columns; ++c) delta[c] += by * from[c];
    }
    float* row = rows + r * columns;
    for (int64_t c = 0; c < columns; ++c) row[c] += delta[c] * factor;
  }
}

// What an adapter adds to one weight, as floats.
struct Addition {
  std::vector<float> a, b;
  int64_t rank = 0;
  double scale = 1;
};

Addition addition_of(const PeftModule& module) {
  return {module.a.read(), module.b.read(), module.rank, module.scale};
}

// What float16 cannot hold would become infinite.
void check_float16(const std::vector<float>& values, const std::string& name) {
  constexpr float kLargest = 65519.99f;  // rounds to 65504
  for (const float value : values)
    if (std::isfinite(value) && std::abs(value) > kLargest)
      throw DataError("tensor '{}' holds {}, which float16 cannot: use bfloat16 or float32", name,
                      value);
}

struct Bytes {
  std::vector<std::byte> data;
};

// The tensor in `dtype` under `name`, with the addition if there is one.
void add_floats(HfWeightWriter& writer, const std::string& name, const StoredTensor& tensor,
                DType dtype, const PeftModule* module, ThreadPool& pool) {
  const int64_t columns = tensor.columns(), rows = tensor.rows(), element = dtype_bytes(dtype);
  const Addition add = module ? addition_of(*module) : Addition{};
  const auto bytes = std::make_shared<Bytes>();
  bytes->data.resize(tensor.count() * element);
  pool.parallel_for((rows + kRows - 1) / kRows, [&](int64_t index, int) {
    const int64_t begin = index * kRows, count = std::min(kRows, rows - begin);
    std::vector<float> values(count * columns);
    tensor.read_rows(begin, count, values.data());
    if (module)
      add_product(add.a, add.b.data() + begin * add.rank, add.rank, add.scale, count, columns,
                  values.data());
    if (dtype == DType::kF16) check_float16(values, name);
    narrow(values, dtype, bytes->data.data() + begin * columns * element);
  });
  writer.add({name, dtype, tensor.shape(), bytes->data}, bytes);
}

// config.json of the result: that of a base folder with what changed, so that nothing of it is
// lost, or one made from the configuration.
Json result_config(const LlamaSource& source, DType dtype) {
  Json json = source.config_json();
  json["tandem_version"] = program_version();
  json.erase("quantization_config");
  json[json.contains("dtype") ? "dtype" : "torch_dtype"] = torch_name(dtype);
  return json;
}

void write_floats(const LlamaSource& source, const PeftFolder* adapter, const Output& output,
                  const LlamaExport& options, ThreadPool& pool) {
  const LlamaConfig& config = source.config();
  if (adapter) check_adapter(*adapter, config);
  const auto module_of = [&](const std::string& name) {
    return adapter && name.ends_with(".weight") ? adapter->find(name.substr(0, name.size() - 7))
                                                : nullptr;
  };
  StagedFolder staged(output);
  HfWeightWriter writer(staged.path(), options.shard_bytes);
  DType widest = DType::kBf16;
  for (const TensorSpec& spec : llama_tensors(config)) {
    const StoredTensor tensor = source.tensor(spec);
    const DType dtype = target_dtype(tensor, options);
    if (spec.shape.size() == 2) widest = dtype;
    add_floats(writer, spec.name, tensor, dtype, module_of(spec.name), pool);
  }
  Json json = result_config(source, widest);
  if (config.tied_head && module_of("lm_head.weight")) {
    const StoredTensor tensor =
        source.tensor({"model.embed_tokens.weight", {config.vocab_size, config.hidden_size}});
    add_floats(writer, "lm_head.weight", tensor, target_dtype(tensor, options),
               module_of("lm_head.weight"), pool);
    json["tie_word_embeddings"] = false;
  }
  writer.finish();
  write_json(staged.path() / "config.json", json);
  copy_model_side_files(source.path(), staged.path());
  if (options.add_files) options.add_files(staged.path());
  staged.commit();
}

}  // namespace

void copy_model_side_files(const fs::path& model, const fs::path& folder) {
  if (!fs::is_directory(model)) return;
  for (const char* name : {"generation_config.json", "tokenizer.json", "tokenizer.model",
                           "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                           "vocab.json", "merges.txt", "chat_template.jinja", "spiece.model",
                           "sentencepiece.bpe.model", "encoder.json", "vocab.bpe"}) {
    if (fs::exists(model / name)) fs::copy_file(model / name, folder / name);
  }
}

std::vector<float> merged_weight(const StoredTensor& weight, const PeftModule& adapter) {
  std::vector<float> values = weight.read();
  const Addition add = addition_of(adapter);
  add_product(add.a, add.b.data(), add.rank, add.scale, weight.rows(), weight.columns(),
              values.data());
  return values;
}

void merge_adapter(const LlamaSource& base, const PeftFolder& adapter, const Output& output,
                   const LlamaExport& options, ThreadPool& pool) {
  write_floats(base, &adapter, output, options, pool);
}

void export_llama(const LlamaSource& source, const Output& output, const LlamaExport& options,
                  ThreadPool& pool) {
  write_floats(source, nullptr, output, options, pool);
}

void quantize_llama(const LlamaSource& source, const Nf4Options& nf4, const Output& output,
                    const LlamaExport& options, ThreadPool& pool) {
  StagedFolder staged(output);
  HfWeightWriter writer(staged.path(), options.shard_bytes);
  DType rest = DType::kBf16;
  for (const TensorSpec& spec : llama_tensors(source.config())) {
    const StoredTensor tensor = source.tensor(spec);
    const DType dtype = target_dtype(tensor, options);
    if (spec.shape.size() == 2 && spec.name.find("_proj.") != std::string::npos) {
      const Nf4Tensor weight = nf4_quantize(tensor.read(), spec.shape, nf4);
      const BnbTensors parts = bnb_nf4_tensors(spec.name, weight, torch_name(dtype));
      for (const TensorView& view : parts.views) writer.add(view, parts.state);
    } else {
      if (spec.name == "model.embed_tokens.weight") rest = dtype;
      add_floats(writer, spec.name, tensor, dtype, nullptr, pool);
    }
  }
  writer.finish();
  Json json = result_config(source, rest);
  json["quantization_config"] = bnb_quantization_config(nf4.double_quant, torch_name(rest));
  write_json(staged.path() / "config.json", json);
  copy_model_side_files(source.path(), staged.path());
  if (options.add_files) options.add_files(staged.path());
  staged.commit();
}

}  // namespace tandem
