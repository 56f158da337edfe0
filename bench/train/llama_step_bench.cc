// SPDX-License-Identifier: Apache-2.0
// One adapter step of a Llama on one prompt, labels at its last two positions: forward, backward,
// clipping, AdamW. Random weights of a preset's shape, bfloat16 products, rank 8 on q and v.
//
//     llama_step_bench lora  [PRESET [TOKENS [STEPS]]]    bfloat16 base   tinyllama-1.1b 700 3
//     llama_step_bench qlora [PRESET [TOKENS [STEPS]]]    NF4 base        llama-2-7b 700 1
//
// A last argument "checkpoint" keeps only the layers' inputs. The share of the ceiling counts the
// products of one forward and one backward pass by x, whatever is computed again.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/machine.h"
#include "core/rng.h"
#include "learn/llama/llama.h"
#include "learn/ops/nf4_weight.h"
#include "learn/optim/adamw.h"
#include "models/llama_config.h"

namespace tandem {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Cheap noise of about stddev 0.02, one tensor at a time; projections of layers as NF4 codes where
// asked, so that no 16-bit copy of the model ever exists.
class NoiseWeights : public learn::LlamaWeights {
 public:
  NoiseWeights(LlamaConfig config, bool is_nf4) : config_(std::move(config)), is_nf4_(is_nf4) {}

  const LlamaConfig& config() const override { return config_; }

  learn::FrozenWeightPtr frozen(const TensorSpec& spec) const override {
    if (is_nf4_ && spec.name.starts_with("model.layers.")) return nf4(spec);
    at::Tensor matrix = at::empty(spec.shape, at::kBFloat16);
    auto* values = matrix.data_ptr<at::BFloat16>();
    const int64_t columns = spec.shape[1];
    at::parallel_for(0, spec.shape[0], 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        uint64_t state = static_cast<uint64_t>(row) * 0x9E3779B97F4A7C15u + spec.name.size();
        for (int64_t c = 0; c < columns; ++c) {
          state = state * 6364136223846793005u + 1442695040888963407u;
          values[row * columns + c] =
              static_cast<float>(static_cast<int32_t>(state >> 32)) * (0.035f / 2147483648.0f);
        }
      }
    });
    return learn::dense_weight(matrix);
  }

  at::Tensor copy(const TensorSpec& spec) const override { return at::ones(spec.shape); }

 private:
  struct Memory {
    std::vector<uint8_t> codes, absmax_codes;
    std::vector<float> absmax2;
  };

  static learn::FrozenWeightPtr nf4(const TensorSpec& spec) {
    const auto count = static_cast<size_t>(spec.count()), blocks = count / 64;
    const auto memory = std::make_shared<Memory>();
    memory->codes.resize(count / 2);
    Rng rng(1, RngPurpose::kTest, 0, count);
    for (size_t i = 0; i < memory->codes.size(); i += 4) {
      const uint32_t bits = rng.next_u32();
      for (size_t j = 0; j < std::min<size_t>(4, memory->codes.size() - i); ++j)
        memory->codes[i + j] = static_cast<uint8_t>(bits >> (8 * j));
    }
    memory->absmax_codes.assign(blocks, 200);
    memory->absmax2.assign((blocks + 255) / 256, 0.01f);
    Nf4Tensor tensor;
    tensor.shape = spec.shape;
    tensor.codes = memory->codes;
    tensor.absmax_codes = memory->absmax_codes;
    tensor.absmax2 = memory->absmax2;
    tensor.offset = 0.04f;
    tensor.owner = memory;
    return learn::nf4_weight(tensor);
  }

  LlamaConfig config_;
  bool is_nf4_;
};

// The products' own rate at the MLP's shape, as ATen runs them.
double ceiling_flops(const LlamaConfig& config, int64_t tokens) {
  const int64_t in = config.hidden_size, out = config.intermediate_size;
  const at::Tensor x = at::randn({tokens, in}, at::kBFloat16);
  const at::Tensor w = at::randn({out, in}, at::kBFloat16);
  double best = 1e9;
  for (int i = 0; i < 7; ++i) {
    const double begin = now_seconds();
    at::mm(x, w.t());
    best = std::min(best, now_seconds() - begin);
  }
  return 2.0 * static_cast<double>(tokens * in * out) / best;
}

struct Request {
  bool is_nf4 = false, checkpoint = false;
  std::string preset = "tinyllama-1.1b";
  int64_t tokens = 700, steps = 3;
};

void run(const Request& request) {
  const LlamaConfig config = llama_preset(request.preset);
  const Machine machine = describe_machine();
  const double begin = now_seconds();
  const NoiseWeights weights(config, request.is_nf4);
  const learn::Llama model(weights, {.precision = Precision::kBfloat16,
                                     .lora = learn::LoraConfig{},
                                     .checkpoint_layers = request.checkpoint});
  fmt::print(
      "{} shape, {} base, {} tokens, {} threads, {} ({}){}\nmodel ready in {:.1f} s, {:.2f} GB\n",
      request.preset, request.is_nf4 ? "NF4" : "bfloat16", request.tokens, at::get_num_threads(),
      machine.cpu_name, machine.instruction_set, request.checkpoint ? ", checkpointed layers" : "",
      now_seconds() - begin, 1e-9 * static_cast<double>(peak_memory_bytes()));
  learn::AdamW optimizer(model.parameters(), {.eps = 1e-8, .weight_decay = 0},
                         [](std::string_view) { return true; });
  Rng rng(1);
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < request.tokens; ++i)
    tokens.push_back(static_cast<int64_t>(rng.below(static_cast<uint64_t>(config.vocab_size))));
  const learn::PackedTokens packed{at::tensor(tokens, at::kLong),
                                   at::tensor({int64_t{0}, request.tokens}, at::kLong)};
  const learn::SupervisedPositions supervised{
      at::tensor({request.tokens - 2, request.tokens - 1}, at::kLong),
      at::tensor({int64_t{319}, int64_t{2}}, at::kLong)};
  std::vector<double> seconds;
  for (int64_t step = 0; step < request.steps + (request.steps > 1 ? 1 : 0); ++step) {
    const double start = now_seconds();
    const learn::DropoutRng dropout(1, static_cast<uint64_t>(step));
    optimizer.zero_gradients();
    const at::Tensor loss = model.loss(packed, supervised, &dropout);
    const double forward = now_seconds() - start;
    loss.backward();
    const double norm = optimizer.clip_gradients(1);
    optimizer.step(1e-4);
    seconds.push_back(now_seconds() - start);
    fmt::print("step {}: {:.2f} s (forward {:.2f} s), loss {:.4f}, gradient norm {:.4f}\n", step,
               seconds.back(), forward, loss.item<double>(), norm);
    if (!std::isfinite(norm)) throw DataError("the gradient is not finite");
  }
  if (seconds.size() > 1) seconds.erase(seconds.begin());
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  const double flops = 2.0 * static_cast<double>(config.flops_per_token(false) * request.tokens);
  const double ceiling = ceiling_flops(config, request.tokens);
  fmt::print(
      "{:.2f} s a step (median of {}), {:.1f} tokens/s, {:.0f} GFLOP/s, {:.0f} % of the bfloat16 "
      "product's {:.0f}; peak memory {:.2f} GiB\n",
      median, seconds.size(), static_cast<double>(request.tokens) / median, 1e-9 * flops / median,
      100 * flops / median / ceiling, 1e-9 * ceiling,
      static_cast<double>(peak_memory_bytes()) / (1024.0 * 1024 * 1024));
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  try {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a step can take minutes
    std::vector<std::string> arguments(argv + 1, argv + argc);
    tandem::Request request;
    if (!arguments.empty() && arguments.back() == "checkpoint") {
      request.checkpoint = true;
      arguments.pop_back();
    }
    if (!arguments.empty() && arguments[0] == "qlora") {
      request.is_nf4 = true;
      request.preset = "llama-2-7b";
      request.steps = 1;
    } else if (!arguments.empty() && arguments[0] != "lora") {
      throw tandem::UsageError("'{}', expected lora or qlora", arguments[0]);
    }
    if (arguments.size() > 1) request.preset = arguments[1];
    if (arguments.size() > 2) request.tokens = std::stol(arguments[2]);
    if (arguments.size() > 3) request.steps = std::stol(arguments[3]);
    tandem::run(request);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "llama_step_bench: {}\n", error.what());
    return 1;
  }
}
