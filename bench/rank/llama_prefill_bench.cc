// SPDX-License-Identifier: Apache-2.0
// How fast the engine reads a prompt: a random model of a preset's shape with a few layers, one
// prompt, the last position wanted, on one thread, against the machine's product of that precision.
//
//     llama_prefill_bench [PRESET [LAYERS [TOKENS]]]        default tinyllama-1.1b 3 700
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/machine.h"
#include "core/rng.h"
#include "engine/kernels/gemm.h"
#include "engine/llama/llama.h"
#include "models/llama_init.h"

namespace tandem {
namespace {

// Of the processor: one thread's work does not wait for others of a shared machine.
double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Median and 95th percentile of several calls, in processor seconds.
struct Timing {
  double median, p95;
};

template <typename Work>
Timing time(int calls, const Work& work) {
  std::vector<double> seconds;
  for (int i = 0; i < calls; ++i) {
    const double begin = processor_seconds();
    work();
    seconds.push_back(processor_seconds() - begin);
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds[(seconds.size() * 95) / 100]};
}

// The product that the model's projections are: rows x width by width x width.
double product_gflops(Precision precision, int64_t rows, int64_t width) {
  const std::vector<float> a(rows * width, 0.5f);
  const std::vector<float> b(width * width, 0.25f);
  const std::vector<uint16_t> half_a(a.size(), 0x3f00), half_b(b.size(), 0x3e80);
  std::vector<float> c(rows * width);
  const Timing timing = time(9, [&] {
    if (precision == Precision::kBfloat16)
      engine::bf16_gemm(rows, width, width, half_a.data(), width, half_b.data(), width, c.data(),
                        width);
    else
      engine::sgemm(false, true, rows, width, width, 1, a.data(), width, b.data(), width, 0,
                    c.data(), width);
  });
  return 2e-9 * static_cast<double>(rows * width * width) / timing.median;
}

// Multiply-adds (two each) of a prefill whose last layer makes keys and values for all positions
// and the rest for one.
double prefill_flops(const LlamaConfig& c, int64_t tokens) {
  const auto t = static_cast<double>(tokens);
  const auto kv = static_cast<double>(4 * c.hidden_size * c.kv_width());
  const double layer =
      static_cast<double>(c.flops_per_token(false)) / static_cast<double>(c.num_layers);
  const double attention = 2 * static_cast<double>(c.query_width()) * t * (t + 1);
  return static_cast<double>(c.num_layers - 1) * (layer * t + attention) + kv * t + (layer - kv);
}

// The prompt in two pieces through a cache must end in the same state.
void check(const engine::Llama& model, const std::vector<int32_t>& tokens, float limit,
           ThreadPool& pool) {
  const auto total = static_cast<int64_t>(tokens.size()), half = total / 2;
  const engine::LlamaSequence whole{total};
  const engine::Matrix want = model.hidden(model.embed(tokens), {&whole, 1}, 1, pool);
  engine::KvCache cache = model.new_cache();
  engine::Matrix got;
  for (const auto& [begin, count] : {std::pair{int64_t{0}, half}, std::pair{half, total - half}}) {
    const engine::LlamaSequence piece{count, &cache};
    const auto part = std::span(tokens).subspan(begin, static_cast<size_t>(count));
    got = model.hidden(model.embed(part), {&piece, 1}, 1, pool);
  }
  for (size_t i = 0; i < want.values.size(); ++i) {
    if (std::abs(got.values[i] - want.values[i]) > limit)
      throw ShapeError("prefill: {} through a cache, {} in one pass", got.values[i],
                       want.values[i]);
  }
}

void run(const std::string& preset, int64_t layers, int64_t num_tokens) {
  LlamaConfig config = llama_preset(preset);
  config.num_layers = layers;
  if (!config.windows.empty()) config.windows.resize(layers);
  config.vocab_size = 1024;  // prefill reads no more of the embedding than the prompt's tokens
  Rng rng(1);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < num_tokens; ++i) tokens.push_back(static_cast<int32_t>(rng.below(1024)));
  const double flops = prefill_flops(config, num_tokens);
  const Machine machine = describe_machine();
  fmt::print("{} shape, {} layers, {} tokens, 1 thread, {} ({})\n", preset, layers, num_tokens,
             machine.cpu_name, machine.instruction_set);
  ThreadPool pool(1);
  const fs::path folder = fs::temp_directory_path() / fmt::format("tandem_prefill_{}", ::getpid());
  struct Case {
    DType stored;
    Precision precision;
  };
  for (const auto& [stored, precision] : {Case{DType::kF32, Precision::kFloat32},
                                          {DType::kBf16, Precision::kFloat32},
                                          {DType::kBf16, Precision::kBfloat16}}) {
    const bool is_half = precision == Precision::kBfloat16;
    const double ceiling = product_gflops(precision, num_tokens, config.hidden_size);
    write_random_llama(config, {.dtype = stored}, {folder, kModelFolder, true}, pool);
    const engine::Llama model(folder, {}, precision);
    check(model, tokens, is_half ? 0.2f : 1e-3f, pool);
    const engine::LlamaSequence sequence{num_tokens};
    const Timing timing = time(5, [&] {
      model.hidden(model.embed(tokens), {&sequence, 1}, 1, pool);
    });
    engine::KvCache cache = model.new_cache();
    const engine::LlamaSequence fed{num_tokens, &cache}, next{1, &cache};
    model.hidden(model.embed(tokens), {&fed, 1}, 1, pool);
    const Timing step = time(9, [&] {
      model.hidden(model.embed(std::span(tokens).first(1)), {&next, 1}, 1, pool);
      cache.truncate(num_tokens);
    });
    fmt::print(
        "{:<4} in {}: {:8.1f} tokens/s (median {:.3f} s, p95 {:.3f} s), {:.1f} GFLOP/s, {:.0f} % "
        "of the product's {:.0f}; one token more {:.2f} ms\n",
        dtype_name(stored), is_half ? "bfloat16" : "float32 ",
        static_cast<double>(num_tokens) / timing.median, timing.median, timing.p95,
        1e-9 * flops / timing.median, 1e-7 * flops / timing.median / ceiling, ceiling,
        1e3 * step.median);
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    tandem::run(arguments.empty() ? "tinyllama-1.1b" : arguments[0],
                arguments.size() > 1 ? std::stol(arguments[1]) : 3,
                arguments.size() > 2 ? std::stol(arguments[2]) : 700);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "llama_prefill_bench: {}\n", error.what());
    return 1;
  }
}
