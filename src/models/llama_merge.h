// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/output.h"
#include "core/thread_pool.h"
#include "formats/nf4.h"
#include "formats/peft_folder.h"
#include "models/llama_source.h"

namespace tandem {

struct LlamaExport {
  // F32, F16 or BF16 for every parameter. Unset: each keeps its own where it is a float, and what
  // was quantised becomes BF16.
  std::optional<DType> dtype = {};
  int64_t shard_bytes = int64_t{2} << 30;
  // Puts more files into the folder before it appears: a tokenizer.
  std::function<void(const fs::path& folder)> add_files = {};
};

// W + scale B A in float32, [out, in], row-major.
std::vector<float> merged_weight(const StoredTensor& weight, const PeftModule& adapter);

// Writes the model as a Hugging Face folder of plain floats with the adapter added to its weights:
// sums in float32, then one rounding. Tokenizer files of a base folder come along. A tied head that
// the adapter changes becomes a tensor of its own. One shard is in memory at a time; the folder
// appears whole or not at all. Throws FormatError when the adapter does not fit,
// IoError, Stopped.
void merge_adapter(const LlamaSource& base, const PeftFolder& adapter, const Output& output,
                   const LlamaExport& options, ThreadPool& pool);

// The same without an adapter: a 4-bit folder or a GGUF file as plain floats.
void export_llama(const LlamaSource& source, const Output& output, const LlamaExport& options,
                  ThreadPool& pool);

// Copies what small files lie beside a model's weights: tokenizer and generation settings. Nothing
// for a GGUF file.
void copy_model_side_files(const fs::path& model, const fs::path& folder);

// Writes the model as transformers saves bitsandbytes' NF4: linear layers in 4 bits; embedding,
// norms, biases and head as they are (what is quantised in another way becomes BF16).
void quantize_llama(const LlamaSource& source, const Nf4Options& nf4, const Output& output,
                    const LlamaExport& options, ThreadPool& pool);

}  // namespace tandem
