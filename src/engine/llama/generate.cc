// SPDX-License-Identifier: Apache-2.0
#include "engine/llama/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace tandem::engine {
namespace {

bool contains(std::span<const int64_t> tokens, int64_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

// Logits of the last position after feeding the tokens to the cache, [1, V].
Matrix next_logits(const Llama& model, std::span<const int32_t> tokens, KvCache& cache,
                   ThreadPool& pool) {
  const LlamaSequence sequence{static_cast<int64_t>(tokens.size()), &cache};
  return model.logits(model.hidden(model.embed(tokens), {&sequence, 1}, 1, pool), pool);
}

void want_prompt(std::span<const int32_t> prompt) {
  if (prompt.empty()) throw DataError("generate: the prompt has no tokens");
}

}  // namespace

int32_t sample_token(std::span<const float> logits, const SamplingOptions& options, int64_t n) {
  if (options.temperature <= 0) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (options.top_k > 0 && options.top_k < static_cast<int64_t>(order.size()))
    order.resize(options.top_k);
  std::vector<double> weights;
  for (const int32_t token : order)
    weights.push_back(std::exp((double{logits[token]} - logits[order[0]]) / options.temperature));
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  double kept = 0;
  size_t count = 0;
  while (count < weights.size() && (count == 0 || kept < options.top_p * all))
    kept += weights[count++];
  double draw = Rng(options.seed, RngPurpose::kSampling, 0, static_cast<uint64_t>(n)).uniform();
  draw *= kept;
  for (size_t i = 0; i < count; ++i) {
    draw -= weights[i];
    if (draw < 0) return order[i];
  }
  return order[count - 1];
}

std::vector<int32_t> generate(const Llama& model, std::span<const int32_t> prompt,
                              const GenerationOptions& options, ThreadPool& pool,
                              const std::function<bool(int32_t)>& on_token) {
  want_prompt(prompt);
  KvCache cache = model.new_cache();
  std::vector<int32_t> tokens;
  std::span<const int32_t> fed = prompt;
  while (static_cast<int64_t>(tokens.size()) < options.max_new_tokens) {
    const Matrix logits = next_logits(model, fed, cache, pool);
    tokens.push_back(
        sample_token(logits.values, options.sampling, static_cast<int64_t>(tokens.size())));
    if (on_token && !on_token(tokens.back())) break;
    if (contains(options.eos_tokens, tokens.back())) break;
    fed = {&tokens.back(), 1};
  }
  return tokens;
}

namespace {

// An unfinished hypothesis with its keys and values.
struct Beam {
  std::vector<int32_t> tokens;
  double log_probability;
  KvCache cache;
};

struct Continuation {
  size_t beam;
  int32_t token;
  double log_probability;
};

// The `count` best continuations, best first; of equal ones the lower beam, then the lower token.
std::vector<Continuation> best_continuations(const std::vector<Beam>& beams, const Matrix& logits,
                                             int64_t count) {
  std::vector<Continuation> all;
  all.reserve(logits.values.size());
  for (size_t b = 0; b < beams.size(); ++b) {
    const float* row = logits.row(static_cast<int64_t>(b));
    const double top = *std::max_element(row, row + logits.columns);
    double sum = 0;
    for (int64_t v = 0; v < logits.columns; ++v) sum += std::exp(row[v] - top);
    const double shift = beams[b].log_probability - top - std::log(sum);
    for (int64_t v = 0; v < logits.columns; ++v)
      all.push_back({b, static_cast<int32_t>(v), row[v] + shift});
  }
  const auto kept = all.begin() + std::min<int64_t>(count, static_cast<int64_t>(all.size()));
  std::partial_sort(all.begin(), kept, all.end(), [](const Continuation& a, const Continuation& b) {
    if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
    return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
  });
  all.erase(kept, all.end());
  return all;
}

// The chosen continuations become the beams. A cache is moved to its last user, copied before.
std::vector<Beam> extend(std::vector<Beam> beams, const std::vector<Continuation>& chosen) {
  std::vector<Beam> next;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const bool is_last_use =
        std::none_of(chosen.begin() + static_cast<int64_t>(i) + 1, chosen.end(),
                     [&](const Continuation& other) { return other.beam == chosen[i].beam; });
    Beam& parent = beams[chosen[i].beam];
    next.push_back(is_last_use ? std::move(parent) : parent);
    next.back().tokens.push_back(chosen[i].token);
    next.back().log_probability = chosen[i].log_probability;
  }
  return next;
}

Matrix step_logits(const Llama& model, std::vector<Beam>& beams, ThreadPool& pool) {
  std::vector<int32_t> tokens;
  std::vector<LlamaSequence> sequences;
  for (Beam& beam : beams) {
    tokens.push_back(beam.tokens.back());
    sequences.push_back({1, &beam.cache});
  }
  return model.logits(model.hidden(model.embed(tokens), sequences, 1, pool), pool);
}

}  // namespace

std::vector<Hypothesis> beam_search(const Llama& model, std::span<const int32_t> prompt,
                                    const BeamOptions& options, ThreadPool& pool) {
  want_prompt(prompt);
  if (options.num_beams < 1) throw ConfigError("beam search: {} beams", options.num_beams);
  const auto width = static_cast<size_t>(options.num_beams);
  const auto num_eos = static_cast<int64_t>(options.eos_tokens.size());
  const int64_t ranked = std::max<int64_t>(2, 1 + num_eos) * options.num_beams;
  const auto penalised = [&](double log_probability, int64_t length) {
    return log_probability / std::pow(static_cast<double>(length), options.length_penalty);
  };

  std::vector<Hypothesis> finished;
  std::vector<Beam> beams;
  beams.push_back({{}, 0, model.new_cache()});
  Matrix logits = next_logits(model, prompt, beams[0].cache, pool);
  for (int64_t length = 1; length <= options.max_new_tokens; ++length) {
    std::vector<Continuation> running;
    const std::vector<Continuation> best = best_continuations(beams, logits, ranked);
    for (size_t i = 0; i < best.size(); ++i) {
      const bool is_eos = contains(options.eos_tokens, best[i].token);
      if (i < width && (is_eos || length == options.max_new_tokens)) {
        Hypothesis done{beams[best[i].beam].tokens, penalised(best[i].log_probability, length)};
        done.tokens.push_back(best[i].token);
        finished.push_back(std::move(done));
      }
      if (!is_eos && running.size() < width) running.push_back(best[i]);
    }
    std::stable_sort(finished.begin(), finished.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    if (finished.size() > width) finished.resize(width);
    if (running.empty() || length == options.max_new_tokens) break;
    if (finished.size() == width) {
      const double attainable = penalised(running[0].log_probability, length);
      if (options.early_stopping || attainable <= finished.back().score) break;
    }
    beams = extend(std::move(beams), running);
    logits = step_logits(model, beams, pool);
  }
  return finished;
}

}  // namespace tandem::engine
