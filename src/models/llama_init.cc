// SPDX-License-Identifier: Apache-2.0
#include "models/llama_init.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "core/error.h"
#include "core/rng.h"
#include "formats/half.h"

namespace tandem {
namespace {

void store(float value, DType dtype, std::byte* out) {
  if (dtype == DType::kF32) {
    std::memcpy(out, &value, sizeof value);
  } else {
    const uint16_t bits = float_to_bf16(value);
    std::memcpy(out, &bits, sizeof bits);
  }
}

}  // namespace

void write_random_llama(const LlamaConfig& config, const LlamaInit& init, const Output& output,
                        ThreadPool& pool,
                        const std::function<void(const fs::path& folder)>& add_files) {
  config.validate("model init");
  if (init.dtype != DType::kF32 && init.dtype != DType::kBf16)
    throw ConfigError("model init: dtype {}, expected F32 or BF16", dtype_name(init.dtype));
  const std::vector<TensorSpec> tensors = llama_tensors(config);
  std::map<std::string, uint32_t> numbers;
  for (size_t i = 0; i < tensors.size(); ++i) numbers[tensors[i].name] = static_cast<uint32_t>(i);

  StagedFolder staged(output);
  write_json(staged.path() / "config.json",
             config.to_json(init.dtype == DType::kF32 ? "float32" : "bfloat16"));
  const auto fill = [&](const TensorSpec& spec, std::span<std::byte> bytes) {
    const int64_t element = dtype_bytes(init.dtype), rows = spec.shape[0];
    const int64_t columns = spec.count() / rows;
    const bool is_matrix = spec.shape.size() == 2;
    const float constant = spec.name.ends_with(".bias") ? 0.0f : 1.0f;
    pool.parallel_for(rows, [&](int64_t row, int) {
      Rng rng(init.seed, RngPurpose::kInit, numbers.at(spec.name), static_cast<uint64_t>(row));
      for (int64_t c = 0; c < columns; ++c) {
        const float value = is_matrix ? static_cast<float>(rng.normal() * init.stddev) : constant;
        store(value, init.dtype, bytes.data() + (row * columns + c) * element);
      }
    });
  };
  write_hf_weights(staged.path(), tensors, init.dtype, init.shard_bytes, fill);
  if (add_files) add_files(staged.path());
  staged.commit();
}

}  // namespace tandem
