// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>

#include "cli/model_verbs.h"
#include "core/error.h"
#include "core/log.h"
#include "core/plural.h"
#include "core/thread_pool.h"
#include "formats/gguf.h"
#include "formats/hf_folder.h"
#include "models/hllm_convert.h"
#include "models/llama2c.h"
#include "models/llama_merge.h"
#include "tokenizer/gguf_vocab.h"

namespace tandem {
namespace {

struct ConvertOptions {
  std::string input, output, to, second_level = "search";
  bool double_quant = false, overwrite = false;
  // Of a checkpoint of HLLM, which has none of it.
  std::string base;
  HllmConfig hllm = {.max_length = 50,
                     .max_text_length = 256,
                     .item_prompt = "Compress the following sentence into embedding: ",
                     .item_keys = {"title", "description"},
                     .pandas_text = true};
};

std::optional<DType> float_type(const std::string& name) {
  if (name == "float32") return DType::kF32;
  if (name == "float16") return DType::kF16;
  if (name == "bfloat16") return DType::kBf16;
  return std::nullopt;
}

void run_convert(const ConvertOptions& options) {
  if (options.double_quant && options.to != "nf4")
    throw UsageError("model convert: --double-quant goes with --to nf4");
  refuse_deepspeed(options.input);
  if (is_hllm_checkpoint(options.input)) {
    if (!options.to.empty())
      throw UsageError("model convert: the tensors of HLLM's checkpoint keep their types; no --to");
    if (options.base.empty())
      throw UsageError(
          "model convert: {} is a checkpoint of HLLM, which has no configuration; --base names the "
          "folder of the language model that its towers began as",
          options.input);
    convert_hllm(
        options.input, options.base, options.hllm,
        Output(options.output, kHllmFolder, options.overwrite, {options.input, options.base}));
    spdlog::info("{}: written", options.output);
    return;
  }
  const Output output(options.output, kModelFolder, options.overwrite, {options.input});
  if (fs::is_regular_file(options.input) && !is_gguf_file(options.input)) {
    if (!options.to.empty() && options.to != "float32")
      throw UsageError("model convert: a llama2.c file becomes float32; convert the folder again");
    convert_llama2c(options.input, output);
    spdlog::info("{}: written", options.output);
    return;
  }
  LlamaExport settings{.dtype = float_type(options.to)};
  const auto source = open_llama(options.input);
  if (fs::is_regular_file(options.input)) {
    settings.add_files = [&](const fs::path& folder) {
      write_gguf_tokenizer(read_gguf_vocabulary(options.input), folder);
    };
  }
  ThreadPool pool;
  if (options.to == "nf4") {
    const Nf4Options nf4{.double_quant = options.double_quant,
                         .second_level = options.second_level == "search" ? Nf4SecondLevel::kSearch
                                                                          : Nf4SecondLevel::kTable};
    quantize_llama(*source, nf4, output, settings, pool);
  } else {
    export_llama(*source, output, settings, pool);
  }
  spdlog::info("{}: written", options.output);
}

struct MergeOptions {
  std::string base, adapter, output, dtype;
  bool overwrite = false;
};

void run_merge(const MergeOptions& options) {
  const Output output(options.output, kModelFolder, options.overwrite,
                      {options.base, options.adapter});
  const auto base = open_llama(options.base);
  const PeftFolder adapter(options.adapter);
  LlamaExport settings{.dtype = float_type(options.dtype)};
  if (fs::is_regular_file(options.base)) {
    settings.add_files = [&](const fs::path& folder) {
      write_gguf_tokenizer(read_gguf_vocabulary(options.base), folder);
    };
  }
  ThreadPool pool;
  merge_adapter(*base, adapter, output, settings, pool);
  spdlog::info("{}: written, {} changed", options.output,
               counted(std::ssize(adapter.modules()), "layer"));
}

}  // namespace

void add_model_convert(CLI::App& model) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* verb = model.add_subcommand(
      "convert", "A GGUF or llama2.c file, or a folder of other types, to a Hugging Face folder");
  verb->add_option("INPUT", options->input, "GGUF file, llama2.c .bin, or Hugging Face folder")
      ->required();
  verb->add_option("--output", options->output, "new folder")->required();
  verb->add_option("--to", options->to,
                   "stored type; nf4: linear layers in 4 bits, as bitsandbytes. Default: as in the "
                   "input, bfloat16 for what is quantised there")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16", "nf4"}));
  verb->add_flag("--double-quant", options->double_quant, "nf4: quantise the scales too");
  verb->add_option("--second-level", options->second_level,
                   "rule of --double-quant: bitsandbytes' GPU search, or its CPU table")
      ->check(CLI::IsMember({"search", "compat"}))
      ->capture_default_str();
  verb->add_flag("--overwrite", options->overwrite, "replace an existing folder");
  verb->add_option(
          "--base", options->base,
          "of an HLLM's pytorch_model.bin: folder with the language model's config.json and "
          "tokenizer")
      ->group("HLLM");
  verb->add_option("--max-length", options->hllm.max_length, "items of a history that it reads")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str()
      ->group("HLLM");
  verb->add_option("--max-text-length", options->hllm.max_text_length, "tokens of an item's text")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str()
      ->group("HLLM");
  verb->add_option("--item-prompt", options->hllm.item_prompt, "before each item's text")
      ->capture_default_str()
      ->group("HLLM");
  verb->add_option("--item-keys", options->hllm.item_keys, "fields of an item's text, in order")
      ->capture_default_str()
      ->group("HLLM");
  verb->callback([options] { run_convert(*options); });
}

void add_model_merge(CLI::App& model) {
  auto options = std::make_shared<MergeOptions>();
  CLI::App* verb =
      model.add_subcommand("merge", "Add a PEFT LoRA adapter to its base: W + alpha / r B A");
  verb->add_option("--base", options->base, "Hugging Face folder (also 4-bit) or GGUF file")
      ->required();
  verb->add_option("--adapter", options->adapter, "PEFT folder")->required();
  verb->add_option("--output", options->output, "new folder")->required();
  verb->add_option("--dtype", options->dtype,
                   "stored type; default: the base's, bfloat16 for a quantised one")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}));
  verb->add_flag("--overwrite", options->overwrite, "replace an existing folder");
  verb->callback([options] { run_merge(*options); });
}

}  // namespace tandem
