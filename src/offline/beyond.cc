// SPDX-License-Identifier: Apache-2.0
#include "offline/beyond.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "offline/batches.h"
#include "offline/list_generation.h"
#include "offline/ranker_evaluation.h"
#include "rank/candidate_order.h"
#include "rank/history.h"
#include "rank/title_likelihood.h"

namespace tandem {
namespace {

constexpr Metric kMetric{MetricKind::kNdcg, 10};

ItemPopularity training_popularity(const Dataset& dataset) {
  std::vector<std::span<const int32_t>> train;
  for (int64_t user = 0; user < dataset.num_users(); ++user)
    train.push_back(train_items(dataset, user));
  return item_popularity(train, static_cast<int32_t>(dataset.num_items()));
}

// The samples' candidates by falling score; equal ones keep the retriever's order.
std::vector<UserList> lists_by(const engine::Matrix& scores,
                               std::span<const RankingSample> samples) {
  std::vector<UserList> lists;
  for (size_t i = 0; i < samples.size(); ++i) {
    const std::vector<int32_t>& candidates = samples[i].candidates;
    const float* row = scores.row(static_cast<int64_t>(i));
    std::vector<size_t> order(candidates.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, std::greater(), [&](size_t c) { return row[c]; });
    UserList list{.items = {}, .target = candidates[samples[i].answer]};
    for (const size_t c : order) list.items.push_back(candidates[c]);
    lists.push_back(std::move(list));
  }
  return lists;
}

// One number over all users, as a group of its own.
LengthGroup whole_group(int32_t length, std::span<const int32_t> ranks,
                        const ResamplingOptions& resampling, ThreadPool& pool) {
  const UserValues values = user_values(ranks, {&kMetric, 1});
  return {length, length, values.num_users, means(values).front(),
          bootstrap_intervals(values, resampling, pool).front()};
}

LengthCurve curve(const Evaluation& evaluation, std::span<const int32_t> lengths,
                  std::span<const int32_t> bounds, ThreadPool& pool) {
  return {evaluation.system, kMetric.name(),
          by_history_length(evaluation.ranks, lengths, bounds, kMetric,
                            evaluation.protocol.resampling, pool)};
}

std::vector<LengthCurve> shortened_curves(const SecondStage& stage, std::span<const double> weights,
                                          const SecondStageModels& models,
                                          const BeyondOptions& options,
                                          const ResamplingOptions& resampling, ThreadPool& pool,
                                          ScoringWatch* watch) {
  std::vector<LengthCurve> curves;
  const auto add = [&](size_t c, const std::string& system, int64_t length,
                       const engine::Matrix& scores) {
    if (curves.size() == c) curves.push_back({system, kMetric.name()});
    const RankList ranks = rank_samples(stage.samples, scores.values, scores.columns);
    curves[c].groups.push_back(
        whole_group(static_cast<int32_t>(length), ranks.ranks, resampling, pool));
  };
  for (const int64_t length : options.history_lengths) {
    std::vector<CandidateScores> scorers = {stage.scorers.front()};
    for (CandidateScores& scores : models.scores(with_newest(stage.samples, length), pool, watch))
      scorers.push_back(std::move(scores));
    for (size_t s = 1; s < scorers.size(); ++s)
      add(s - 1, scorers[s].name, length, scorers[s].log_probabilities);
    if (!weights.empty()) add(scorers.size() - 1, "fused", length, fuse(scorers, weights));
  }
  return curves;
}

// Each user's candidates once more, in an order drawn from (seed, user).
PositionBias letters_bias(const SecondStage& stage, const SecondStageModels& models,
                          const ResamplingOptions& resampling, ThreadPool& pool,
                          ScoringWatch* watch) {
  std::vector<RankingSample> samples;
  size_t places = 0;
  for (const RankingSample& sample : stage.samples) {
    samples.push_back(shuffled(sample, resampling.seed));
    places = std::max(places, sample.candidates.size());
  }
  const engine::Matrix logits = letter_logits(*models.letters, samples, pool, watch);
  const RankList ranks = rank_samples(samples, logits.values, logits.columns);
  std::vector<PositionOutcome> outcomes;
  for (size_t i = 0; i < samples.size(); ++i) {
    const float* row = logits.row(static_cast<int64_t>(i));
    const auto first = std::max_element(row, row + samples[i].candidates.size());
    outcomes.push_back({static_cast<int32_t>(samples[i].answer), static_cast<int32_t>(first - row),
                        ranks.ranks[i]});
  }
  return position_bias("letters", outcomes, static_cast<int64_t>(places), resampling.seed,
                       resampling, pool);
}

// Users at equal distances in the subset, whatever came out for them.
std::vector<RankingExample> examples_of(const SecondStage& stage, const SecondStageModels& models,
                                        const Dataset& dataset, int64_t count) {
  std::vector<RankingExample> examples;
  if (count < 1 || models.reader() == nullptr) return examples;
  const CandidateScores& scores = stage.scorers[1];
  const bool letters = models.letters != nullptr;
  const TitledRanker& model = *models.reader();
  const auto num_samples = static_cast<int64_t>(std::ssize(stage.samples));
  count = std::min(count, num_samples);
  for (int64_t e = 0; e < count; ++e) {
    const int64_t at = e * num_samples / count;
    const RankingSample& sample = stage.samples[at];
    RankingExample example{
        .user = std::string(dataset.user_id(sample.user)),
        .system = scores.name,
        .prompt = letters ? render_sample(model.ranker.config(), model.titles, sample)
                          : likelihood_text(model.ranker.config(), model.titles, sample),
        .candidates = {},
        .answer = sample.answer};
    for (size_t c = 0; c < sample.candidates.size(); ++c)
      example.candidates.push_back({letters ? letter_of(static_cast<int64_t>(c)) : "",
                                    std::string(dataset.title(sample.candidates[c])),
                                    std::exp(scores.log_probabilities.row(at)[c])});
    examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace

void BeyondOptions::validate() const {
  if (list_size < 1) throw UsageError("--list-size is {}; expected 1 or more", list_size);
  for (const int64_t length : history_lengths) {
    if (length < 1 || length > 1'000'000)
      throw UsageError("--history-lengths holds {}; expected 1 to 1000000", length);
  }
}

BeyondUtility stage_beyond(const SecondStage& stage, std::span<const double> weights,
                           const SecondStageModels& models, const Dataset& dataset,
                           std::span<const Evaluation> systems, const BeyondOptions& options,
                           ThreadPool& pool, ScoringWatch* watch) {
  options.validate();
  const ResamplingOptions& resampling = systems.front().protocol.resampling;
  BeyondUtility beyond{.protocol = systems.front().protocol,
                       .num_users = std::ssize(stage.samples)};
  const ItemPopularity popularity = training_popularity(dataset);
  const int64_t k = std::min(options.list_size, stage.num_candidates);
  const auto profile = [&](const std::string& name, const engine::Matrix& scores) {
    beyond.lists.push_back(
        {name, list_metrics(lists_by(scores, stage.samples), k, popularity, resampling, pool)});
  };
  for (const CandidateScores& scorer : stage.scorers)
    profile(scorer.name, scorer.log_probabilities);
  if (!weights.empty()) profile("fused", fuse(stage.scorers, weights));

  std::vector<int32_t> lengths;
  for (const RankingSample& sample : stage.samples)
    lengths.push_back(static_cast<int32_t>(sample.history.size()));
  const std::vector<int32_t> bounds = length_bounds(lengths, options.length_groups);
  for (const Evaluation& system : systems)
    beyond.by_length.push_back(curve(system, lengths, bounds, pool));
  beyond.shortened = shortened_curves(stage, weights, models, options, resampling, pool, watch);
  if (options.position_bias) {
    if (!models.letters)
      throw UsageError("--position-bias needs --ranker: only letters have positions");
    beyond.positions.push_back(letters_bias(stage, models, resampling, pool, watch));
  }
  beyond.examples = examples_of(stage, models, dataset, options.examples);
  if (options.generated_lists > 0) {
    if (models.reader() == nullptr)
      throw UsageError("--generate needs --ranker or --likelihood: a judge writes no list");
    const TitledRanker& model = *models.reader();
    beyond.generation =
        generate_lists(model, dataset, stage.samples,
                       {.num_users = options.generated_lists, .list_size = k}, pool);
    beyond.generation->system = models.letters ? "the ranker" : "the likelihood model";
  }
  return beyond;
}

BeyondUtility retriever_beyond(const engine::Retriever& retriever, const Dataset& dataset,
                               Split split, engine::SeenItems seen, const FullRanking& ranking,
                               const Evaluation& evaluation, const BeyondOptions& options,
                               ThreadPool& pool) {
  options.validate();
  const ResamplingOptions& resampling = evaluation.protocol.resampling;
  const RankList& ranks = ranking.ranks;
  BeyondUtility beyond{.protocol = evaluation.protocol, .num_users = ranks.size()};
  std::vector<UserList> lists;
  for (int64_t i = 0; i < ranks.size(); ++i) {
    const auto row = ranking.candidates.items_of(ranks.users[i]);
    lists.push_back({{row.begin(), std::ranges::find(row, kPaddingItem)}, ranks.targets[i]});
  }
  // Where everything was had before (a catalogue of one item), there are no lists to describe.
  if (std::ranges::any_of(lists, [](const UserList& list) { return !list.items.empty(); }))
    beyond.lists.push_back(
        {evaluation.system, list_metrics(lists, std::min(options.list_size, dataset.num_items()),
                                         training_popularity(dataset), resampling, pool)});
  const std::vector<int32_t> lengths = history_lengths(evaluation, dataset);
  beyond.by_length.push_back(
      curve(evaluation, lengths, length_bounds(lengths, options.length_groups), pool));
  if (options.history_lengths.empty()) return beyond;

  LengthCurve shortened{evaluation.system, kMetric.name()};
  for (const int64_t length : options.history_lengths) {
    std::vector<int32_t> found;
    const std::string label = fmt::format("newest {}", length);
    in_batches({label.c_str(), "users", "stopped before all users were ranked"}, ranks.size(),
               [&](int64_t begin, int64_t end) {
                 std::vector<engine::History> histories;
                 for (int64_t i = begin; i < end; ++i) {
                   const engine::History whole = history_of(dataset, ranks.users[i], split);
                   histories.push_back(whole.newest(static_cast<size_t>(length)));
                 }
                 const std::span targets(ranks.targets.data() + begin,
                                         static_cast<size_t>(end - begin));
                 for (const engine::TargetRank& rank :
                      retriever.top_k_and_rank(histories, 0, targets, seen, pool).ranks)
                   found.push_back(static_cast<int32_t>(rank.rank));
               });
    shortened.groups.push_back(whole_group(static_cast<int32_t>(length), found, resampling, pool));
  }
  beyond.shortened.push_back(std::move(shortened));
  return beyond;
}

std::vector<int32_t> history_lengths(const Evaluation& evaluation, const Dataset& dataset) {
  if (evaluation.protocol.fingerprint != dataset.fingerprint()) {
    throw DataError("{} was evaluated on another data set (fingerprint {}, {} has {})",
                    evaluation.system, evaluation.protocol.fingerprint, dataset.folder().string(),
                    dataset.fingerprint());
  }
  const Split split = evaluation.protocol.split == "valid" ? Split::kValid : Split::kTest;
  std::vector<int32_t> lengths;
  for (const std::string& id : evaluation.user_ids) {
    const auto user = dataset.find_user(id);
    if (!user)
      throw DataError("{}: user '{}' is not in {}", evaluation.system, id,
                      dataset.folder().string());
    lengths.push_back(static_cast<int32_t>(input_items(dataset, *user, split).size()));
  }
  return lengths;
}

}  // namespace tandem
