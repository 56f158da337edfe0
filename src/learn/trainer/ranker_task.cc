// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/ranker_task.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/error.h"
#include "core/progress.h"
#include "core/sha256.h"
#include "learn/trainer/validation.h"

namespace tandem {
namespace {

constexpr int64_t kTokensAtOnce = 4096;  // of prompts in validation

}  // namespace

RankerTask::RankerTask(LlamaModel& model, const HfFolder& base, const Tokenizer& tokenizer,
                       const Dataset& dataset, const RankerConfig& config,
                       const CandidateSet& valid, const PrefixCandidates& prefix_candidates,
                       ThreadPool& pool)
    : LlamaTask(model, base, static_cast<uint64_t>(config.seed)),
      dataset_(dataset),
      config_(config),
      prefix_candidates_(prefix_candidates),
      cutter_(config.prompt, tokenizer),
      titles_(dataset, cutter_, pool),
      encoder_(tokenizer, config.prompt),
      verbalizer_(make_verbalizer(encoder_, config.prompt)),
      prefixes_(training_prefixes(dataset)),
      valid_(subset_samples(dataset, valid, config.prompt.num_candidates)) {
  for (int64_t i = 0; i < std::ssize(prefixes_); ++i) {
    if (config.only_retrieved && prefix_candidates.holds_answer[static_cast<size_t>(i)] == 0)
      continue;
    samples_.push_back(i);
  }
  if (samples_.empty()) throw DataError("{}: nothing to train on", dataset.folder().string());
  if (valid_.empty())
    throw DataError(
        "no user's validation item is among its candidates: there is nothing to validate on");
  if (config.valid_users > 0 && std::ssize(valid_) > config.valid_users)
    valid_.resize(static_cast<size_t>(config.valid_users));
  valid_ids_.resize(valid_.size());
  pool.parallel_for(std::ssize(valid_), [&](int64_t i, int) {
    const auto at = static_cast<size_t>(i);
    valid_ids_[at] = encoder_.encode(render_sample(config_.prompt, titles_, valid_[at]));
  });

  Sha256 sha;
  sha.add(dataset.fingerprint()).add(titles_.fingerprint());
  sha.add(std::as_bytes(std::span(verbalizer_.trained)));
  sha.add(std::as_bytes(std::span(valid.items)));
  sha.add(std::as_bytes(std::span(prefix_candidates.items)));
  fingerprint_ = sha.hex();
}

int64_t RankerTask::num_labels(std::span<const int64_t> samples, int64_t) const {
  return std::ssize(samples) * (config_.train_eos ? 2 : 1);
}

SupervisedText RankerTask::text(int64_t sample, int64_t epoch) const {
  const int64_t number = samples_[static_cast<size_t>(sample)];
  const TrainingPrefix& prefix = prefixes_[static_cast<size_t>(number)];
  const auto seed = static_cast<uint64_t>(config_.seed);
  RankingSample question;
  if (config_.negatives == "uniform") {
    question = uniform_sample(dataset_, prefix, config_.prompt.num_candidates, seed, epoch, number);
  } else {
    const auto k = static_cast<size_t>(prefix_candidates_.num_candidates);
    const auto row =
        std::span(prefix_candidates_.items).subspan(static_cast<size_t>(number) * k, k);
    question =
        retrieved_sample(dataset_, prefix, row, config_.order == "shuffled", seed, epoch, number);
  }
  PromptEncoder::TrainingText full = encoder_.encode_training(
      render_sample(config_.prompt, titles_, question), letter_of(question.answer));
  // Inputs end before the last label.
  SupervisedText text;
  text.positions.push_back(full.letter - 1);
  text.labels.push_back(full.ids[static_cast<size_t>(full.letter)]);
  if (config_.train_eos) {
    text.positions.push_back(full.letter);
    text.labels.push_back(full.ids[static_cast<size_t>(full.eos)]);
  }
  full.ids.resize(static_cast<size_t>(config_.train_eos ? full.eos : full.letter));
  text.ids = std::move(full.ids);
  return text;
}

// Ranks of the answers of validation samples [begin, end).
std::vector<int64_t> RankerTask::rank_batch(size_t begin, size_t end) const {
  const PackedTokens packed = pack_prompts(std::span(valid_ids_).subspan(begin, end - begin));
  const at::Tensor last = packed.row_starts.narrow(0, 1, packed.row_starts.size(0) - 1) - 1;
  const at::Tensor logits =
      model().logits(model().hidden(packed, nullptr, last)).contiguous();  // [B, V]
  const int64_t vocabulary = logits.size(1);
  std::vector<int64_t> ranks;
  for (size_t i = begin; i < end; ++i) {
    const float* row =
        logits.const_data_ptr<float>() + static_cast<int64_t>(i - begin) * vocabulary;
    const auto& ids = verbalizer_.ids;
    const float answer = row[ids[static_cast<size_t>(valid_[i].answer)]];
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
  int turn = 0;
  for (size_t begin = 0; begin < valid_.size(); ++turn) {
    size_t end = begin;
    for (int64_t tokens = 0; end < valid_.size(); ++end) {
      tokens += std::ssize(valid_ids_[end]);
      if (end > begin && tokens > kTokensAtOnce) break;
    }
    if (turn % group.size() == group.rank()) {
      const auto part = rank_batch(begin, end);
      std::copy(part.begin(), part.end(), ranks.begin() + static_cast<int64_t>(begin));
      if (group.rank() == 0) progress.update(static_cast<int64_t>(end));
    }
    begin = end;
  }
  if (group.rank() == 0) progress.finish();
  group.sum(ranks);
  const ValidationMetrics metrics = metrics_of_ranks(ranks);
  ValidationResult result{.value = metrics.value(config_.metric), .metrics = metrics.to_json()};
  for (const char* name : {"Recall@1", "Recall@5", "NDCG@10", "MRR@10"})
    result.scalars.emplace_back(name, metrics.value(name));
  return result;
}

}  // namespace tandem
