// SPDX-License-Identifier: Apache-2.0
// One training step of HLLM on random rows: items encoded, User LLM, loss, backward, AdamW; and the
// encoding of a whole catalogue. Towers of SmolLM2's shape (width 576) with random weights.
//
//     hllm_step_bench [ROWS [LAYERS [CHUNK_TOKENS [STEPS]]]]    32 2 4096 5
//
// A row has 11 items and 10 negatives of 6 to 30 tokens out of 3,000 items. The share of the
// ceiling counts the products of one forward and one backward pass, whatever is computed again;
// the ceiling is the float32 product's own rate at the MLP's shape.
#include <ATen/Parallel.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/machine.h"
#include "core/rng.h"
#include "learn/hllm/hllm.h"
#include "learn/hllm/item_encoding.h"
#include "learn/hllm/step.h"
#include "learn/ops/products.h"
#include "learn/optim/adamw.h"
#include "learn/trainer/memory_forecast.h"

namespace tandem::learn {
namespace {

constexpr int32_t kItems = 3000;

LlamaConfig smollm2(int64_t layers, bool words) {
  LlamaConfig config;
  config.vocab_size = 49152;
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_layers = layers;
  config.num_heads = 9;
  config.num_kv_heads = 3;
  config.head_dim = 64;
  config.has_embedding = words;
  config.has_head = false;
  return config;
}

double ceiling_flops(int64_t tokens) {
  const at::Tensor x = at::randn({tokens, 576}), w = at::randn({1536, 576});
  double best = 1e9;
  for (int i = 0; i < 9; ++i) {
    const Stopwatch watch;
    product_nt(x, w);
    best = std::min(best, watch.seconds());
  }
  return 2.0 * static_cast<double>(tokens) * 576 * 1536 / best;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void run(int64_t num_rows, int64_t layers, int64_t chunk, int64_t steps) {
  const auto tower = [&](bool words, uint64_t seed) {
    return Llama(*random_weights(smollm2(layers, words), seed), {.train_base = true});
  };
  const Hllm model({.num_items = kItems, .width = 576}, tower(true, 1), tower(false, 2),
                   new_hllm_extras(576, 576, 3));
  AdamW optimizer(model.parameters(), {.eps = 1e-8}, [](std::string_view) { return true; });
  Rng rng(4);
  ItemTokens tokens;
  for (int32_t item = 0; item <= kItems; ++item) {
    tokens.emplace_back(6 + rng.below(25));
    for (int32_t& id : tokens.back()) id = static_cast<int32_t>(rng.below(49152));
  }
  const auto random_items = [&](int64_t count) {
    std::vector<int32_t> items(count);
    for (int32_t& item : items) item = 1 + static_cast<int32_t>(rng.below(kItems));
    return items;
  };
  const double flops_per_token = static_cast<double>(smollm2(layers, true).flops_per_token(false));
  const std::vector<int64_t> unknown(11, 0);  // when the items of a row were
  std::vector<double> times, rates;
  int64_t peak = 0, step_tokens = 0;
  for (int64_t step = 0; step <= steps; ++step) {
    std::vector<std::vector<int32_t>> shown;
    for (int64_t row = 0; row < num_rows; ++row) shown.push_back(random_items(11));
    std::vector<ContrastiveRow> rows(num_rows);
    for (int64_t row = 0; row < num_rows; ++row) {
      rows[row].shown = {.items = shown[row], .times = unknown};
      rows[row].negatives = random_items(10);
    }
    const Stopwatch watch;
    optimizer.zero_gradients();
    step_tokens = 10 * num_rows;  // of the User LLM
    const auto work = [&] {
      const HllmItems items(rows);
      ItemEncoding encoding(model, tokens, items.items, chunk, alone());
      add_position_gradients(model, items, encoding.vectors(), rows, {},
                             {.position = 0.1 / static_cast<double>(num_rows)});
      encoding.backward();
      for (const int32_t item : items.items) step_tokens += std::ssize(tokens[item]);
    };
    if (step == 0) {  // warms up, too
      peak = peak_tensor_bytes(work);
      continue;
    }
    work();
    optimizer.step(1e-4);
    times.push_back(watch.seconds());
    rates.push_back(static_cast<double>(step_tokens) / watch.seconds());
  }
  const double ceiling = ceiling_flops(std::min(chunk, step_tokens));
  const double share = 3 * flops_per_token * median(rates) / ceiling;
  const Stopwatch watch;
  encode_all_items(model, tokens, chunk, alone());
  double all_tokens = 0;
  for (const auto& text : tokens) all_tokens += static_cast<double>(text.size());
  const double encoding = all_tokens / watch.seconds();
  fmt::print(
      "{{\"rows\": {}, \"layers\": {}, \"chunk_tokens\": {}, \"threads\": {}, \"isa\": \"{}\", "
      "\"tokens\": {}, \"median_s\": {:.3f}, \"tokens_per_s\": {:.0f}, \"ceiling_gflops\": {:.0f}, "
      "\"share_of_ceiling\": {:.2f}, \"peak_tensor_mb\": {:.0f}, \"encode_tokens_per_s\": {:.0f}, "
      "\"encode_share\": {:.2f}}}\n",
      num_rows, layers, chunk, at::get_num_threads(), describe_machine().instruction_set,
      step_tokens, median(times), median(rates), 1e-9 * ceiling, share,
      1e-6 * static_cast<double>(peak), encoding, flops_per_token * encoding / ceiling);
}

}  // namespace
}  // namespace tandem::learn

int main(int argc, char** argv) {
  const auto number = [&](int index, int64_t otherwise) {
    return argc > index ? std::stoll(argv[index]) : otherwise;
  };
  at::set_num_threads(tandem::describe_machine().processors);
  tandem::learn::run(number(1, 32), number(2, 2), number(3, 4096), number(4, 5));
}
