// SPDX-License-Identifier: Apache-2.0
#include "learn/ranker/ranker_task.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/error.h"
#include "core/progress.h"
#include "core/sha256.h"
#include "eval/candidate_lists.h"
#include "learn/trainer/validation_metrics.h"
#include "models/token_packs.h"
#include "offline/facts.h"
#include "rank/title_likelihood.h"

namespace tandem::learn {
namespace {}  // namespace

RankerTask::RankerTask(Llama& model, const LlamaSource& base, const Tokenizer& tokenizer,
                       const Dataset& dataset, const RankerConfig& config,
                       const RankerInputs& inputs, ThreadPool& pool)
    : LlamaTask(model, base, static_cast<uint64_t>(config.seed)),
      dataset_(dataset),
      config_(config),
      inputs_(inputs),
      pool_(pool),
      cutter_(config.prompt, tokenizer),
      titles_(dataset, cutter_, pool),
      encoder_(tokenizer, config.prompt),
      verbalizer_(make_verbalizer(encoder_, config.prompt)),
      prefixes_(training_prefixes(dataset)),
      valid_(subset_samples(dataset, inputs.valid, config.prompt.num_candidates)) {
  for (int64_t i = 0; i < std::ssize(prefixes_); ++i) {
    if (config.only_retrieved && inputs.train.answer_rank[i] == 0) continue;
    samples_.push_back(i);
  }
  if (samples_.empty()) throw DataError("{}: nothing to train on", dataset.folder().string());
  if (valid_.empty())
    throw DataError(
        "no user's validation item is among its candidates: there is nothing to validate on");
  if (config.valid_users > 0 && std::ssize(valid_) > config.valid_users)
    valid_.resize(config.valid_users);
  valid_ids_.resize(valid_.size());
  pool.parallel_for(std::ssize(valid_), [&](int64_t i, int) {
    const auto at = static_cast<size_t>(i);
    valid_ids_[at] = encoder_.encode(render_sample(config_.prompt, titles_, valid_[at]));
  });

  Sha256 sha;
  sha.add(dataset.fingerprint()).add(titles_.fingerprint());
  sha.add(std::as_bytes(std::span(verbalizer_.trained)));
  sha.add(std::as_bytes(std::span(inputs.valid.items)));
  sha.add(std::as_bytes(std::span(inputs.train.items)));
  fingerprint_ = sha.hex();
}

Json RankerTask::facts() const {
  constexpr int64_t kAtOnce = 8192;
  Sha256 samples;
  std::vector<RankingSample> drawn;
  for (int64_t begin = 0; begin < num_samples(); begin += kAtOnce) {
    drawn.resize(std::min(kAtOnce, num_samples() - begin));
    pool_.parallel_for(std::ssize(drawn),
                       [&](int64_t i, int) { drawn[i] = question(begin + i, 0); });
    for (const RankingSample& sample : drawn) add_sample(samples, sample);
  }
  return {{"first_epoch", samples.hex()},
          {"candidates_valid", lists_fingerprint(inputs_.valid)},
          {"titles", titles_.fingerprint()}};
}

int64_t RankerTask::num_labels(std::span<const int64_t> samples, int64_t) const {
  return std::ssize(samples) * (config_.train_eos ? 2 : 1);
}

RankingSample RankerTask::question(int64_t sample, int64_t epoch) const {
  const int64_t number = samples_[sample];
  const TrainingPrefix& prefix = prefixes_[number];
  const auto seed = static_cast<uint64_t>(config_.seed);
  if (config_.negatives == Negatives::kUniform)
    return uniform_sample(dataset_, prefix, config_.prompt.num_candidates, seed, epoch, number);
  const auto k = static_cast<size_t>(inputs_.train.num_candidates);
  const auto row = std::span(inputs_.train.items).subspan(static_cast<size_t>(number) * k, k);
  return retrieved_sample(dataset_, prefix, row, config_.order == CandidateOrder::kShuffled, seed,
                          epoch, number);
}

SupervisedText RankerTask::text(const RankingSample& question) const {
  const std::string prompt = render_sample(config_.prompt, titles_, question);
  PromptEncoder::TrainingText full = encoder_.encode_training(prompt, letter_of(question.answer));
  // Inputs end before the last label.
  SupervisedText text;
  text.ids.assign(full.ids.begin(),
                  full.ids.begin() + (config_.train_eos ? full.eos : full.letter));
  if (config_.language > 0) add_language(prompt, question, full.letter, text);
  text.positions.push_back(full.letter - 1);
  text.labels.push_back(full.ids[full.letter]);
  if (config_.train_eos) {
    text.positions.push_back(full.letter);
    text.labels.push_back(full.ids[full.eos]);
  }
  if (!text.weights.empty()) text.weights.resize(text.labels.size(), 1.0);
  return text;
}

void RankerTask::add_language(const std::string& prompt, const RankingSample& question,
                              int64_t letter, SupervisedText& text) const {
  const HistoryTokens tokens = encoder_.history_tokens(
      prompt, render_sample_history(config_.prompt, titles_, question), config_.prompt);
  // Positions count from the letter, the token behind the prompt, as the prompt may lack its start.
  for (int64_t t = tokens.begin; t < tokens.end; ++t) {
    const int64_t position = letter - tokens.of_prompt + t;
    if (position < 1) continue;
    text.positions.push_back(position - 1);
    text.labels.push_back(text.ids[position]);
  }
  const double weight = config_.language * (config_.train_eos ? 2 : 1) /
                        static_cast<double>(std::max<size_t>(1, text.labels.size()));
  text.weights.assign(text.labels.size(), weight);
}

void RankerTask::add_soft_targets(std::span<const RankingSample> questions,
                                  std::span<SupervisedText> texts) const {
  const Ranker& teacher = *inputs_.teacher;
  std::vector<SharedPrefix> prompts(questions.size());
  pool_.parallel_for(std::ssize(questions), [&](int64_t i, int) {
    prompts[i] = likelihood_prompt(teacher.config(), teacher.encoder(), titles_, questions[i]);
  });
  const engine::Matrix scores = title_likelihoods(teacher.model(), prompts, pool_);
  for (size_t i = 0; i < questions.size(); ++i) {
    SupervisedText& text = texts[i];
    const int64_t letter = std::ssize(text.labels) - (config_.train_eos ? 2 : 1);
    text.weights.resize(text.labels.size(), 1.0);
    text.weights[letter] = 1 - config_.soft_target;
    const auto count = std::ssize(questions[i].candidates);
    const std::vector<double> shares = letter_probabilities(
        {scores.row(static_cast<int64_t>(i)), static_cast<size_t>(count)}, count);
    for (size_t c = 0; c < shares.size(); ++c)
      text.soft.push_back({letter, verbalizer_.trained[c], config_.soft_target * shares[c]});
  }
}

std::vector<SupervisedText> RankerTask::texts(std::span<const int64_t> samples,
                                              int64_t epoch) const {
  std::vector<RankingSample> questions(samples.size());
  std::vector<SupervisedText> texts(samples.size());
  pool_.parallel_for(std::ssize(samples), [&](int64_t i, int) {
    const auto at = static_cast<size_t>(i);
    questions[at] = question(samples[at], epoch);
    texts[at] = text(questions[at]);
  });
  if (config_.soft_target > 0) add_soft_targets(questions, texts);
  return texts;
}

// Ranks of the answers of validation samples [begin, end).
std::vector<int64_t> RankerTask::rank_batch(size_t begin, size_t end) const {
  const PackedTokens packed = pack_prompts(std::span(valid_ids_).subspan(begin, end - begin));
  const at::Tensor last = packed.row_starts.narrow(0, 1, packed.row_starts.size(0) - 1) - 1;
  const at::Tensor logits =
      model().logits(model().hidden(packed, nullptr, last)).cpu().contiguous();  // [B, V]
  const int64_t vocabulary = logits.size(1);
  std::vector<int64_t> ranks;
  for (size_t i = begin; i < end; ++i) {
    const float* row =
        logits.const_data_ptr<float>() + static_cast<int64_t>(i - begin) * vocabulary;
    const auto& ids = verbalizer_.ids;
    const float answer = row[ids[valid_[i].answer]];
    int64_t rank = 1;
    for (size_t c = 0; c < valid_[i].candidates.size(); ++c) {
      const bool is_answer = static_cast<int64_t>(c) == valid_[i].answer;
      rank += !is_answer && !(row[ids[c]] <= answer);  // NaN never helps
    }
    ranks.push_back(rank);
  }
  return ranks;
}

ValidationResult RankerTask::validate(ProcessGroup& group, ThreadPool&) const {
  at::NoGradGuard no_grad;
  std::vector<int64_t> ranks(valid_.size(), 0);  // 0 where another process ranks
  Progress progress("validate", group.rank() == 0 ? std::ssize(valid_) : 0, "users");
  std::vector<int64_t> lengths;
  for (const auto& ids : valid_ids_) lengths.push_back(std::ssize(ids));
  int turn = 0;
  for (const auto& [begin, end] : token_packs(lengths)) {
    if (turn++ % group.size() != group.rank()) continue;
    const auto part = rank_batch(static_cast<size_t>(begin), static_cast<size_t>(end));
    std::copy(part.begin(), part.end(), ranks.begin() + begin);
    if (group.rank() == 0) progress.update(end);
  }
  if (group.rank() == 0) progress.finish();
  group.sum(ranks);
  const ValidationMetrics metrics = metrics_of_ranks(ranks);
  ValidationResult result{.value = metrics.value(config_.metric), .metrics = metrics.to_json()};
  for (const char* name : {"Recall@1", "Recall@5", "NDCG@10", "MRR@10"})
    result.scalars.emplace_back(name, metrics.value(name));
  return result;
}

}  // namespace tandem::learn
