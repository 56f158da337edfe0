// SPDX-License-Identifier: Apache-2.0
#include "rank/title_likelihood.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/error.h"
#include "models/token_packs.h"

namespace tandem {
namespace {

constexpr int64_t kLogitsAtOnce = 1 << 24;  // floats, 64 MB

// log P of one token under a row of logits.
double log_probability(std::span<const float> logits, int32_t token) {
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - top);
  return double{logits[token]} - top - std::log(sum);
}

// Calls visit(row, logits) for each row of hidden states, a bounded number of logits at a time.
void for_logits(const engine::Llama& model, const engine::Matrix& hidden, ThreadPool& pool,
                const std::function<void(int64_t row, std::span<const float> logits)>& visit) {
  const int64_t vocabulary = model.config().vocab_size;
  const int64_t step = std::max<int64_t>(1, kLogitsAtOnce / vocabulary);
  for (int64_t begin = 0; begin < hidden.rows; begin += step) {
    engine::Matrix block(std::min(step, hidden.rows - begin), hidden.columns);
    std::copy_n(hidden.row(begin), block.rows * block.columns, block.data());
    const engine::Matrix logits = model.logits(block, pool);
    pool.parallel_for(logits.rows, [&](int64_t r, int) {
      visit(begin + r, {logits.row(r), static_cast<size_t>(vocabulary)});
    });
  }
}

// A candidate's tokens behind the first: where its rows begin in the packed pass.
struct Continuation {
  size_t prompt, candidate;
  int64_t first_row;
};

// Scores of prompts [begin, end) into rows of `scores`.
void score_batch(const engine::Llama& model, std::span<const SharedPrefix> prompts,
                 int64_t first_prompt, ThreadPool& pool, engine::Matrix& scores) {
  std::vector<int32_t> tokens;
  std::vector<engine::KvCache> caches(prompts.size(), model.new_cache());
  std::vector<engine::LlamaSequence> sequences;
  for (size_t i = 0; i < prompts.size(); ++i) {
    tokens.insert(tokens.end(), prompts[i].prefix.begin(), prompts[i].prefix.end());
    sequences.push_back({std::ssize(prompts[i].prefix), &caches[i]});
  }
  // The first token of every candidate follows from the prefix's last state.
  for_logits(model, model.hidden(model.embed(tokens), sequences, 1, pool), pool,
             [&](int64_t row, std::span<const float> logits) {
               const SharedPrefix& prompt = prompts[row];
               for (size_t c = 0; c < prompt.rest.size(); ++c)
                 scores.row(first_prompt + row)[c] =
                     static_cast<float>(log_probability(logits, prompt.rest[c].front()));
             });

  std::vector<Continuation> continuations;
  std::vector<int64_t> owner;  // of each row, a continuation
  tokens.clear();
  sequences.clear();
  for (size_t i = 0; i < prompts.size(); ++i) {
    for (size_t c = 0; c < prompts[i].rest.size(); ++c) {
      const std::vector<int32_t>& rest = prompts[i].rest[c];
      if (rest.size() < 2) continue;
      owner.insert(owner.end(), rest.size() - 1, std::ssize(continuations));
      continuations.push_back({i, c, std::ssize(tokens)});
      tokens.insert(tokens.end(), rest.begin(), rest.end() - 1);
      sequences.push_back({std::ssize(rest) - 1, nullptr, &caches[i]});
    }
  }
  if (tokens.empty()) return;
  std::vector<double> of_row(tokens.size());
  for_logits(model, model.hidden(model.embed(tokens), sequences, 0, pool), pool,
             [&](int64_t row, std::span<const float> logits) {
               const Continuation& at = continuations[owner[row]];
               const int64_t next = row - at.first_row + 1;
               of_row[row] = log_probability(logits, prompts[at.prompt].rest[at.candidate][next]);
             });
  for (size_t row = 0; row < of_row.size(); ++row) {
    const Continuation& at = continuations[owner[row]];
    scores.row(first_prompt + static_cast<int64_t>(at.prompt))[at.candidate] +=
        static_cast<float>(of_row[row]);
  }
}

}  // namespace

SharedPrefix share_prefix(std::vector<std::vector<int32_t>> texts) {
  if (texts.empty()) throw ShapeError("share_prefix: no text");
  size_t shared = texts.front().size();
  for (const auto& text : texts) {
    if (text.empty()) throw ShapeError("share_prefix: a text without a token");
    const auto end =
        std::mismatch(text.begin(), text.end(), texts.front().begin(),
                      texts.front().begin() + static_cast<int64_t>(std::min(shared, text.size())));
    shared = std::min({static_cast<size_t>(end.first - text.begin()), shared, text.size() - 1});
  }
  if (shared == 0) throw ShapeError("share_prefix: the texts have no first token in common");
  SharedPrefix result;
  result.prefix.assign(texts.front().begin(), texts.front().begin() + static_cast<int64_t>(shared));
  for (const auto& text : texts)
    result.rest.emplace_back(text.begin() + static_cast<int64_t>(shared), text.end());
  return result;
}

engine::Matrix title_likelihoods(
    const engine::Llama& model, std::span<const SharedPrefix> prompts, ThreadPool& pool,
    const std::function<void(int64_t, const engine::Matrix&)>& on_progress) {
  size_t columns = 0;
  for (const SharedPrefix& prompt : prompts) columns = std::max(columns, prompt.rest.size());
  engine::Matrix scores(std::ssize(prompts), static_cast<int64_t>(columns));
  std::fill(scores.values.begin(), scores.values.end(), -std::numeric_limits<float>::infinity());
  std::vector<int64_t> lengths;
  for (const SharedPrefix& prompt : prompts) {
    lengths.push_back(std::ssize(prompt.prefix));
    for (const auto& rest : prompt.rest) lengths.back() += std::ssize(rest) - 1;
  }
  for (const auto& [begin, end] : token_packs(lengths)) {
    score_batch(model, prompts.subspan(begin, static_cast<size_t>(end - begin)), begin, pool,
                scores);
    if (on_progress) on_progress(end, scores);
  }
  return scores;
}

std::string likelihood_text(const PromptConfig& config, const ItemTitles& titles,
                            const RankingSample& sample) {
  return render_history(config, newest_titles(titles, sample.history, config.max_history - 1));
}

SharedPrefix likelihood_prompt(const PromptConfig& config, const PromptEncoder& encoder,
                               const ItemTitles& titles, const RankingSample& sample) {
  std::vector<std::string> text = newest_titles(titles, sample.history, config.max_history - 1);
  text.emplace_back();
  std::vector<std::vector<int32_t>> texts;
  for (const int32_t item : sample.candidates) {
    text.back() = titles[item];
    texts.push_back(encoder.encode(render_history(config, text)));
  }
  return share_prefix(std::move(texts));
}

}  // namespace tandem
