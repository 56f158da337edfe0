// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/bench_verbs.h"
#include "cli/retriever_options.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/json.h"
#include "core/machine.h"
#include "engine/hllm/item_encoder.h"
#include "engine/incremental_retriever.h"
#include "models/hllm_files.h"
#include "rank/catalogue.h"
#include "rank/history.h"
#include "rank/hllm_catalogue.h"
#include "tokenizer/files.h"

namespace tandem {
namespace {

struct BenchOptions {
  std::string run, dataset;
  int64_t max_length = RetrieverModelConfig{}.max_length;
  int threads = 0;
  bool json = false;
};

// Histories to states and to the 20 best items. ceiling: of all threads, GFLOP/s.
void add_ranking(const engine::Retriever& retriever, const Dataset& dataset, double ceiling,
                 ThreadPool& pool, Json& result) {
  std::vector<engine::History> histories;
  int64_t positions = 0;
  for (int64_t user = 0; user < std::min<int64_t>(dataset.num_users(), 2048); ++user) {
    histories.push_back(history_of(dataset, user));
    positions +=
        std::min(std::ssize(histories.back()), static_cast<std::ptrdiff_t>(retriever.max_length()));
  }
  if (histories.empty()) throw DataError("{}: no users to measure with", dataset.folder().string());
  const double users = static_cast<double>(histories.size()),
               width = static_cast<double>(retriever.width());
  const double states = fastest(3, [&] { retriever.hidden(histories, pool); });
  const double all =
      fastest(3, [&] { retriever.top_k(histories, 20, engine::SeenItems::kWindow, pool); });
  // The last block's output and feed-forward of all but the last position are left out, so this
  // is an upper bound.
  const double work = retriever.flops_per_position() * static_cast<double>(positions) +
                      2 * width * static_cast<double>(retriever.num_items() + 1) * users;
  result["users"] = histories.size();
  result["positions"] = positions;
  result["states_users_per_second"] = users / states;
  result["top20_users_per_second"] = users / all;
  result["top20_gflops"] = 1e-9 * work / all;
  result["share_of_ceiling"] = 1e-9 * work / all / ceiling;
}

// One pass of an HLLM's Item LLM over the texts of all items; tokens are made on the way.
void add_encoding(const fs::path& run, const Dataset& dataset, double ceiling, ThreadPool& pool,
                  Json& result) {
  const HllmFiles files = open_hllm(run);
  const auto tokenizer = load_tokenizer(run / kItemTowerFolder);
  const ItemTexts texts(dataset, item_prompt_of(files.config));
  std::vector<int32_t> items;
  int64_t tokens = 0;
  for (int32_t item = 1; item <= dataset.num_items(); ++item) {
    items.push_back(item);
    tokens += std::ssize(texts.ids(item, *tokenizer));
  }
  const engine::ItemEncoder encoder(files);
  const Stopwatch watch;
  encode_texts(encoder, texts, *tokenizer, items, pool);
  const double rate = static_cast<double>(tokens) / watch.seconds();
  const auto flops = static_cast<double>(files.item_tower->config().flops_per_token(false));
  result["encoded_items"] = items.size();
  result["encoded_tokens"] = tokens;
  result["encoded_tokens_per_second"] = rate;
  result["encoding_share_of_ceiling"] = 1e-9 * flops * rate / ceiling;
}

// One interaction into a user's state.
void add_step(const engine::Retriever& retriever, Json& result) {
  const engine::IncrementalRetriever* stepped = retriever.incremental();
  if (stepped == nullptr) return;
  constexpr size_t kSteps = 2000;
  std::vector<float> hidden(retriever.width());
  std::vector<int32_t> items;
  for (int32_t item = 1; item <= retriever.num_items(); ++item)
    if (retriever.knows(item)) items.push_back(item);
  const double steps = fastest(3, [&] {
    engine::UserState state = stepped->new_state();
    for (size_t i = 0; i < kSteps; ++i)
      stepped->step(state, {.item = items[i % items.size()]}, hidden.data());
  });
  result["step_microseconds"] = 1e6 * steps / kSteps;
}

void print(const Json& result) {
  const auto number = [&](const char* key) { return result[key].get<double>(); };
  fmt::print("CPU                        {}\n", result["cpu"].get<std::string>());
  fmt::print("float32 ceiling            {:.0f} GFLOP/s a core (oneDNN, 768^3)\n",
             number("sgemm_gflops_per_core"));
  if (result.contains("model")) {
    fmt::print("model                      {}\n", result["model"].dump());
    fmt::print("histories to states        {:.0f} users/s on {} threads ({} users, {} positions)\n",
               number("states_users_per_second"), number("threads"), number("users"),
               number("positions"));
    fmt::print(
        "histories to top 20        {:.0f} users/s, {:.0f} GFLOP/s, {:.0f} % of the ceiling\n",
        number("top20_users_per_second"), number("top20_gflops"), 100 * number("share_of_ceiling"));
  }
  if (result.contains("encoded_items"))
    fmt::print(
        "texts to item vectors      {:.0f} tokens/s, {:.0f} % of the ceiling ({} items, {} "
        "tokens)\n",
        number("encoded_tokens_per_second"), 100 * number("encoding_share_of_ceiling"),
        number("encoded_items"), number("encoded_tokens"));
  if (result.contains("step_microseconds"))
    fmt::print("one interaction            {:.1f} us, whatever the history's length\n",
               number("step_microseconds"));
  fmt::print("peak memory                {:.0f} MiB\n", number("peak_memory_bytes") / (1 << 20));
}

void run_bench(const BenchOptions& options) {
  const Machine machine = describe_machine();
  const double of_core = sgemm_gflops();
  Json result = {{"cpu", machine.cpu_name}, {"sgemm_gflops_per_core", of_core}};
  if (!options.run.empty()) {
    const Dataset dataset = Dataset::open(options.dataset);
    const auto retriever =
        open_retriever(options.run, dataset, {.max_length = options.max_length}).retriever;
    ThreadPool pool(options.threads);
    const double ceiling = of_core * std::min(pool.size(), machine.processors);
    result["model"] = retriever->describe();
    result["threads"] = pool.size();
    add_ranking(*retriever, dataset, ceiling, pool, result);
    if (is_hllm_folder(options.run)) add_encoding(options.run, dataset, ceiling, pool, result);
    add_step(*retriever, result);
  }
  result["peak_memory_bytes"] = peak_memory_bytes();
  if (options.json)
    fmt::print("{}\n", result.dump(2));
  else
    print(result);
}

}  // namespace

void add_retriever_bench(CLI::App& bench) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* verb = bench.add_subcommand(
      "retriever", "The engine on a retriever: users a second, time of one step");
  CLI::Option* run = verb->add_option("--run", options->run,
                                      "a run folder or checkpoint; without it, the ceiling alone");
  CLI::Option* dataset =
      verb->add_option("--dataset", options->dataset, "histories to measure with");
  run->needs(dataset);
  add_max_length_option(*verb, options->max_length);
  verb->add_option("--threads", options->threads, "0: all processors")->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->callback([options] { run_bench(*options); });
}

}  // namespace tandem
