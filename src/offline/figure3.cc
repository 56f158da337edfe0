// SPDX-License-Identifier: Apache-2.0
#include "offline/figure3.h"

#include <algorithm>
#include <functional>

#include "core/clock.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/rng.h"
#include "engine/llama/generate.h"

namespace tandem {
namespace {

constexpr int64_t kInstruction = 60, kAroundTitle = 6;
constexpr int64_t kAroundLine = 3;  // number, dot, line end of a written title

int64_t prompt_tokens(const Figure3Options& options, int64_t title) {
  return kInstruction + (options.history + options.candidates) * (title + kAroundTitle);
}

int64_t written_tokens(const Figure3Options& options, int64_t title) {
  return options.candidates * (title + kAroundLine);
}

double median_seconds(int64_t times, const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < times; ++i) {
    if (interrupted()) throw Stopped("stopped before everything was measured");
    const Stopwatch watch;
    work();
    seconds.push_back(watch.seconds());
  }
  std::ranges::sort(seconds);
  const size_t middle = seconds.size() / 2;
  return seconds.size() % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
}

}  // namespace

void Figure3Options::validate() const {
  for (const int64_t title : title_tokens) {
    if (title < 1 || title > 1000)
      throw UsageError("a title of {} tokens; expected 1 to 1000", title);
  }
  if (title_tokens.empty()) throw UsageError("no title length to measure");
  if (history < 0 || history > 1000) throw UsageError("a history of {} items", history);
  if (candidates < 2 || candidates > 52)
    throw UsageError("{} candidates; expected 2 to 52", candidates);
  if (repeats < 1 || repeats > 1000) throw UsageError("{} repeats; expected 1 to 1000", repeats);
}

int64_t figure3_positions(const Figure3Options& options) {
  const int64_t longest = std::ranges::max(options.title_tokens);
  return prompt_tokens(options, longest) + written_tokens(options, longest);
}

std::vector<Figure3Row> measure_figure3(const engine::Llama& model, const Figure3Options& options,
                                        ThreadPool& pool) {
  options.validate();
  const LlamaConfig& config = model.config();
  if (figure3_positions(options) > config.max_positions)
    throw ConfigError("the longest prompt and its answer have {} tokens, the model {} positions",
                      figure3_positions(options), config.max_positions);
  std::vector<int32_t> letters;
  for (int64_t i = 0; i < options.candidates; ++i)
    letters.push_back(static_cast<int32_t>(i % config.vocab_size));
  std::vector<Figure3Row> rows;
  for (const int64_t title : options.title_tokens) {
    Figure3Row row{.title_tokens = title,
                   .prompt_tokens = prompt_tokens(options, title),
                   .written_tokens = written_tokens(options, title)};
    std::vector<int32_t> prompt;
    Rng rng(options.seed, RngPurpose::kSampling, 0, static_cast<uint64_t>(title));
    for (int64_t i = 0; i < row.prompt_tokens; ++i)
      prompt.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(config.vocab_size))));
    row.verbalizer_seconds = median_seconds(options.repeats, [&] {
      const engine::LlamaSequence sequence{row.prompt_tokens};
      model.logits(model.hidden(model.embed(prompt), {&sequence, 1}, 1, pool), letters, pool);
    });
    row.generation_seconds = median_seconds(options.repeats, [&] {
      const auto written = engine::generate(model, prompt, {.max_new_tokens = row.written_tokens},
                                            pool, [](int32_t) { return !interrupted(); });
      if (std::ssize(written) != row.written_tokens && !interrupted())
        throw ShapeError("generated {} of {} tokens", written.size(), row.written_tokens);
    });
    rows.push_back(row);
  }
  return rows;
}

}  // namespace tandem
