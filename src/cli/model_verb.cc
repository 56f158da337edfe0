// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/model_verbs.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/thread_pool.h"
#include "formats/gguf.h"
#include "models/llama_config.h"
#include "models/llama_init.h"
#include "models/llama_source.h"
#include "tokenizer/files.h"
#include "tokenizer/tokenizer.h"

namespace tandem {
namespace {

struct InfoOptions {
  std::string folder;
  bool json = false, tensors = false;
};

// What a model holds, and what running it costs.
struct ModelInfo {
  struct Tensor {
    TensorSpec spec;
    std::string type;
  };

  LlamaConfig config;
  std::vector<Tensor> tensors;
  int64_t parameters = 0, weight_bytes = 0;
  std::map<std::string, int64_t> bytes_by_dtype;

  void add(const TensorSpec& spec, std::string_view type, int64_t bytes) {
    tensors.push_back({spec, std::string(type)});
    parameters += spec.count();
    weight_bytes += bytes;
    bytes_by_dtype[tensors.back().type] += bytes;
  }
};

ModelInfo describe_model(const LlamaSource& source) {
  ModelInfo info{.config = source.config(), .tensors = {}, .bytes_by_dtype = {}};
  for (const TensorSpec& spec : llama_tensors(info.config)) {
    const StoredTensor tensor = source.tensor(spec);
    info.add(spec, tensor.type_name(), tensor.bytes());
  }
  return info;
}

// As `model init` writes it by default.
ModelInfo describe_preset(const std::string& name) {
  ModelInfo info{.config = llama_preset(name), .tensors = {}, .bytes_by_dtype = {}};
  for (const TensorSpec& spec : llama_tensors(info.config))
    info.add(spec, dtype_name(DType::kF32), spec.count() * dtype_bytes(DType::kF32));
  return info;
}

// A folder or file of the name goes before a preset.
ModelInfo describe(const std::string& name) {
  if (fs::exists(name)) return describe_model(*open_llama(name));
  const std::vector<std::string> presets = llama_preset_names();
  if (std::ranges::find(presets, name) == presets.end())
    throw UsageError("{}: there is no such folder or file, and no preset of this name ({})", name,
                     fmt::join(presets, ", "));
  return describe_preset(name);
}

Json to_json(const ModelInfo& info) {
  const LlamaConfig& c = info.config;
  Json config = c.to_json(""), dtypes = Json::object();
  config.erase("torch_dtype");  // stands in bytes_by_dtype
  for (const auto& [name, bytes] : info.bytes_by_dtype) dtypes[name] = bytes;
  return Json{{"config", config},
              {"tensors", info.tensors.size()},
              {"parameters", info.parameters},
              {"weight_bytes", info.weight_bytes},
              {"bytes_by_dtype", dtypes},
              {"flops_per_token", c.flops_per_token(true)},
              {"flops_per_token_without_head", c.flops_per_token(false)},
              {"kv_cache_bytes_per_token", c.kv_cache_bytes_per_token(4)}};
}

void print_info(const ModelInfo& info, const std::string& folder) {
  const LlamaConfig& c = info.config;
  const auto line = [](std::string_view name, const std::string& value) {
    fmt::print("{:<22} {}\n", name, value);
  };
  line("model", fmt::format("{} ({})", folder, c.model_type));
  line("layers",
       fmt::format("{} of width {}, MLP {}", c.num_layers, c.hidden_size, c.intermediate_size));
  line("heads",
       fmt::format("{} of {}, {} for keys and values", c.num_heads, c.head_dim, c.num_kv_heads));
  line("vocabulary", fmt::format("{}, {} head", c.vocab_size, c.tied_head ? "tied" : "own"));
  const std::string scaling = c.rope_scaling ? ", Llama 3.1 scaling"
                              : c.rope_linear_factor != 1
                                  ? fmt::format(", linear scaling {:g}", c.rope_linear_factor)
                                  : "";
  line("positions", fmt::format("{}, theta {:g}{}", c.max_positions, c.rope_theta, scaling));
  if (!c.windows.empty())
    line("sliding windows", fmt::format("{} (0: all)", fmt::join(c.windows, " ")));
  line("parameters", fmt::format("{:.3f} M in {} tensors",
                                 static_cast<double>(info.parameters) / 1e6, info.tensors.size()));
  std::string dtypes;
  for (const auto& [name, bytes] : info.bytes_by_dtype) dtypes += " " + name;
  line("weights",
       fmt::format("{:.1f} MB,{}", static_cast<double>(info.weight_bytes) / 1e6, dtypes));
  line("FLOPs a token",
       fmt::format("{:.4g}, {:.4g} without the head", static_cast<double>(c.flops_per_token(true)),
                   static_cast<double>(c.flops_per_token(false))));
  line("KV cache a token", fmt::format("{} bytes in float32", c.kv_cache_bytes_per_token(4)));
}

void run_info(const InfoOptions& options) {
  const ModelInfo info = describe(options.folder);
  if (options.json) {
    fmt::print("{}\n", to_json(info).dump(2));
    return;
  }
  print_info(info, options.folder);
  if (!options.tensors) return;
  for (const ModelInfo::Tensor& tensor : info.tensors)
    fmt::print("{:<52} {:<5} {}\n", tensor.spec.name, tensor.type, format_shape(tensor.spec.shape));
}

void add_info(CLI::App& model) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* verb = model.add_subcommand("info", "Shapes, bytes and FLOPs of a model");
  verb->add_option("MODEL", options->folder,
                   "Hugging Face folder, GGUF file, or a preset of `model init`: " +
                       fmt::format("{}", fmt::join(llama_preset_names(), ", ")))
      ->required();
  verb->add_flag("--tensors", options->tensors, "list every tensor");
  verb->add_flag("--json", options->json, "print JSON");
  verb->callback([options] { run_info(*options); });
}

struct InitOptions {
  std::string output, arch = "llama", preset = "tiny", dtype = "float32", tokenizer;
  std::optional<int64_t> vocab_size, hidden_size, intermediate_size, layers, heads, kv_heads;
  LlamaInit init;
  bool overwrite = false;
};

// A preset with the sizes that were given. Heads keep dividing the width when one of both changes.
LlamaConfig sized_preset(const InitOptions& options) {
  LlamaConfig config = llama_preset(options.preset);
  config.vocab_size = options.vocab_size.value_or(config.vocab_size);
  config.hidden_size = options.hidden_size.value_or(config.hidden_size);
  config.intermediate_size = options.intermediate_size.value_or(config.intermediate_size);
  config.num_layers = options.layers.value_or(config.num_layers);
  config.num_heads = options.heads.value_or(config.num_heads);
  config.num_kv_heads = options.kv_heads.value_or(std::min(config.num_kv_heads, config.num_heads));
  if (options.layers && !config.windows.empty())
    config.windows.resize(config.num_layers, config.windows.front());
  if (options.hidden_size || options.heads) {
    if (config.hidden_size % config.num_heads != 0)
      throw ConfigError("model init: --hidden-size {} is not a multiple of --heads {}",
                        config.hidden_size, config.num_heads);
    config.head_dim = config.hidden_size / config.num_heads;
  }
  // Special tokens of the preset's own vocabulary mean nothing in a smaller one.
  if (config.bos_token && *config.bos_token >= config.vocab_size) config.bos_token = {};
  std::erase_if(config.eos_tokens, [&](int64_t token) { return token >= config.vocab_size; });
  return config;
}

// The tokenizer's vocabulary and special tokens, unless a size was given.
void fit_to_tokenizer(const InitOptions& options, LlamaConfig& config) {
  const auto tokenizer = load_tokenizer(options.tokenizer);
  if (!options.vocab_size) config.vocab_size = tokenizer->vocab_size();
  if (config.vocab_size < tokenizer->vocab_size())
    throw ConfigError("model init: --vocab-size {}, the tokenizer has {} tokens", config.vocab_size,
                      tokenizer->vocab_size());
  config.bos_token = tokenizer->bos_id();
  config.eos_tokens.clear();
  if (tokenizer->eos_id()) config.eos_tokens.push_back(*tokenizer->eos_id());
}

void run_init(InitOptions& options) {
  if (fs::is_regular_file(options.tokenizer) && !is_gguf_file(options.tokenizer))
    throw UsageError("model init: --tokenizer {} is neither a folder nor a GGUF file",
                     options.tokenizer);
  const Output output(options.output, kModelFolder, options.overwrite, {options.tokenizer});
  LlamaConfig config = sized_preset(options);
  if (!options.tokenizer.empty()) fit_to_tokenizer(options, config);
  options.init.dtype = options.dtype == "float32" ? DType::kF32 : DType::kBf16;
  ThreadPool pool;
  write_random_llama(config, options.init, output, pool, [&](const fs::path& folder) {
    if (!options.tokenizer.empty()) copy_tokenizer(options.tokenizer, folder);
  });
  spdlog::info("{}: {:.3f} M parameters, {}", options.output,
               static_cast<double>(config.num_parameters()) / 1e6, options.dtype);
}

void add_init(CLI::App& model) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* verb = model.add_subcommand("init", "A model with random weights in a folder");
  verb->add_option("--arch", options->arch, "architecture")
      ->check(CLI::IsMember({"llama"}))
      ->capture_default_str();
  verb->add_option("--preset", options->preset,
                   fmt::format("{}", fmt::join(llama_preset_names(), ", ")))
      ->capture_default_str();
  verb->add_option("--output", options->output, "new folder")->required();
  verb->add_option(
          "--tokenizer", options->tokenizer,
          "folder of `tokenizer train` or of a model, or a GGUF file: its files are copied, "
          "the vocabulary is as large as it needs")
      ->check(CLI::ExistingPath);
  const CLI::Range size(int64_t{1}, int64_t{1} << 24);
  verb->add_option("--vocab-size", options->vocab_size, "tokens")->check(size);
  verb->add_option("--hidden-size", options->hidden_size, "model width")->check(size);
  verb->add_option("--intermediate-size", options->intermediate_size, "MLP width")->check(size);
  verb->add_option("--layers", options->layers, "decoder layers")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}));
  verb->add_option("--heads", options->heads, "query heads")->check(size);
  verb->add_option("--kv-heads", options->kv_heads, "key and value heads")->check(size);
  verb->add_option("--dtype", options->dtype, "stored type")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  verb->add_option("--stddev", options->init.stddev, "of the random matrices")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  verb->add_option("--seed", options->init.seed, "of the random weights")->capture_default_str();
  verb->add_flag("--overwrite", options->overwrite, "replace an existing folder");
  verb->callback([options] { run_init(*options); });
}

}  // namespace

void add_model_verb(CLI::App& app) {
  CLI::App* model = app.add_subcommand("model", "Make, convert, merge and look at language models");
  model->require_subcommand(1);
  add_info(*model);
  add_init(*model);
  add_model_convert(*model);
  add_model_merge(*model);
}

}  // namespace tandem
