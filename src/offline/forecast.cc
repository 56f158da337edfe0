// SPDX-License-Identifier: Apache-2.0
#include "offline/forecast.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/clock.h"
#include "core/machine.h"
#include "models/token_packs.h"
#include "rank/title_likelihood.h"

namespace tandem {
namespace {

constexpr int64_t kPrompts = 32;
constexpr double kEnoughSeconds = 0.5;

int64_t tokens_of(const PromptIds& prompt) { return std::ssize(prompt); }

int64_t tokens_of(const SharedPrefix& prompt) {
  int64_t tokens = std::ssize(prompt.prefix);
  for (const std::vector<int32_t>& rest : prompt.rest) tokens += std::ssize(rest) - 1;
  return tokens;
}

// Samples at equal distances.
std::vector<RankingSample> some_of(std::span<const RankingSample> samples) {
  const int64_t all = std::ssize(samples), count = std::min(kPrompts, all);
  std::vector<RankingSample> some;
  for (int64_t i = 0; i < count; ++i) some.push_back(samples[i * all / count]);
  return some;
}

template <typename Prompt, typename Score>
ScoringForecast::Part measure(const char* scorer, int64_t num_prompts,
                              std::span<const Prompt> prompts, const Score& score) {
  int64_t all_tokens = 0;
  for (const Prompt& prompt : prompts) all_tokens += tokens_of(prompt);
  ScoringForecast::Part part{
      .scorer = scorer,
      .prompts = num_prompts,
      .tokens_a_prompt = static_cast<double>(all_tokens) / static_cast<double>(prompts.size())};
  for (size_t count = 1;; count = std::min(prompts.size(), 2 * count)) {
    const std::span<const Prompt> first = prompts.first(count);
    int64_t tokens = 0;
    for (const Prompt& prompt : first) tokens += tokens_of(prompt);
    const Stopwatch watch;
    score(first);
    const double seconds = std::max(watch.seconds(), 1e-9);
    part.tokens_a_second = static_cast<double>(tokens) / seconds;
    if (seconds >= kEnoughSeconds || tokens >= kTokensAtOnce / 2 || count == prompts.size()) break;
  }
  return part;
}

// Activations of one token in a pass: residual stream and norms, queries, keys and values, MLP; and
// the keys and values of all layers where they are kept.
int64_t bytes_a_token(const LlamaConfig& config, bool with_cache) {
  const int64_t query = config.num_heads * config.head_dim, kv = config.kv_width();
  const int64_t floats = 4 * config.hidden_size + 2 * query + 2 * kv +
                         3 * config.intermediate_size +
                         (with_cache ? 2 * kv * config.num_layers : 0);
  return 4 * floats;
}

std::string part_text(const ScoringForecast::Part& part) {
  return fmt::format("{}: {} prompts of {:.0f} tokens at {:.0f} tokens/s: about {}", part.scorer,
                     part.prompts, part.tokens_a_prompt, part.tokens_a_second,
                     format_duration(part.seconds()));
}

}  // namespace

double ScoringForecast::seconds() const {
  double sum = 0;
  for (const Part& part : parts) sum += part.seconds();
  return sum;
}

std::string ScoringForecast::text() const {
  std::string text;
  for (const Part& part : parts) text += part_text(part) + "\n";
  return text + fmt::format("in all about {} by the first prompts; memory about {:.1f} GB",
                            format_duration(seconds()), static_cast<double>(memory_bytes) / 1e9);
}

ScoringForecast forecast_scoring(const SecondStageModels& models,
                                 std::span<const RankingSample> samples,
                                 const ScoringPasses& prompts, ThreadPool& pool) {
  ScoringForecast forecast;
  int64_t pack_bytes = 0;
  const std::vector<RankingSample> some = some_of(samples);
  if (models.letters) {
    const TitledRanker& model = *models.letters;
    std::vector<PromptIds> texts;
    for (const RankingSample& sample : some)
      texts.push_back(model.ranker.encoder().encode(
          render_sample(model.ranker.config(), model.titles, sample)));
    forecast.parts.push_back(
        measure("letters", prompts.letters, std::span<const PromptIds>(texts),
                [&](std::span<const PromptIds> part) { model.ranker.score(part, pool); }));
    pack_bytes = kTokensAtOnce * bytes_a_token(model.ranker.model().config(), false);
  }
  if (models.likelihood) {
    const TitledRanker& model = *models.likelihood;
    const Ranker& ranker = model.ranker;
    std::vector<SharedPrefix> texts;
    for (const RankingSample& sample : some)
      texts.push_back(likelihood_prompt(ranker.config(), ranker.encoder(), model.titles, sample));
    forecast.parts.push_back(measure("likelihood", prompts.likelihood,
                                     std::span<const SharedPrefix>(texts),
                                     [&](std::span<const SharedPrefix> part) {
                                       title_likelihoods(ranker.model(), part, pool);
                                     }));
    pack_bytes = std::max(pack_bytes, kTokensAtOnce * bytes_a_token(ranker.model().config(), true));
  }
  forecast.memory_bytes = peak_memory_bytes() + pack_bytes;
  return forecast;
}

}  // namespace tandem
