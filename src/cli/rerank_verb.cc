// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/log.h"
#include "eval/compare.h"
#include "eval/evaluation.h"
#include "rank/full_ranking.h"
#include "rank/ranker.h"
#include "rank/ranker_evaluation.h"
#include "rank/samples.h"
#include "rank/two_stage.h"

namespace tandem {
namespace {

struct RerankOptions {
  std::string ranker, base, dataset, candidates, retriever, output, split = "test", user, history;
  std::string verbalizer, title_truncation, precision = "float32";
  ResamplingOptions resampling;
  int threads = 0;
  bool json = false, overwrite = false, show_prompt = false;
};

Ranker open_ranker(const RerankOptions& options) {
  PromptConfig prompt;
  if (!options.verbalizer.empty()) prompt.verbalizer = options.verbalizer;
  if (!options.title_truncation.empty()) prompt.title_truncation = options.title_truncation;
  const Precision precision = parse_precision(options.precision);
  return options.ranker.empty() ? load_ranker(options.base, prompt, {}, precision)
                                : load_ranker(options.ranker, prompt, options.base, precision);
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

// One question, the answer as letters with probabilities, likeliest first.
void answer_one(const RerankOptions& options, const Ranker& ranker,
                const std::vector<std::string>& history, const std::vector<std::string>& candidates,
                ThreadPool& pool) {
  std::vector<std::string> cut_history, cut_candidates;
  for (const std::string& title : history) cut_history.push_back(ranker.cutter().cut(title));
  for (const std::string& title : candidates) cut_candidates.push_back(ranker.cutter().cut(title));
  const std::string prompt = render_prompt(ranker.config(), cut_history, cut_candidates);
  const PromptIds ids[] = {ranker.encoder().encode(prompt)};
  const Matrix scores = ranker.score(ids, pool);
  const std::span row(scores.row(0), static_cast<size_t>(scores.columns));
  const auto probabilities = letter_probabilities(row, std::ssize(candidates));
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return probabilities[i]; });

  if (options.json) {
    Json list = Json::array();
    for (const size_t i : order)
      list.push_back({{"letter", letter_of(static_cast<int64_t>(i))},
                      {"title", candidates[i]},
                      {"probability", probabilities[i]},
                      {"logit", row[i]},
                      {"place", i + 1}});
    fmt::print("{}\n", dump({{"prompt", prompt},
                             {"prompt_tokens", ids[0].size()},
                             {"history", history},
                             {"ranking", list}}));
    return;
  }
  if (options.show_prompt) fmt::print("{}\n", prompt);
  fmt::print("History, oldest first:\n");
  for (const std::string& title : history) fmt::print("      {}\n", title);
  fmt::print("\nRanked ({} tokens; probability of the letter, place among the candidates):\n",
             ids[0].size());
  for (size_t place = 0; place < order.size(); ++place) {
    const size_t i = order[place];
    fmt::print("{:>3}  {}  {:>6.1f} %  {:>3}  {}\n", place + 1, letter_of(static_cast<int64_t>(i)),
               100 * probabilities[i], i + 1, candidates[i]);
  }
}

std::vector<std::string> split_titles(const std::string& text) {
  std::vector<std::string> titles;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(';', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const size_t first = part.find_first_not_of(" \t\n");
    if (first != std::string::npos)
      titles.push_back(part.substr(first, part.find_last_not_of(" \t\n") - first + 1));
    begin = end + 1;
  }
  return titles;
}

void rerank_titles(const RerankOptions& options) {
  const Ranker ranker = open_ranker(options);
  ThreadPool pool(options.threads);
  answer_one(options, ranker, split_titles(options.history), split_titles(options.candidates),
             pool);
}

std::vector<std::string> titles_of(const Dataset& dataset, std::span<const int32_t> items) {
  std::vector<std::string> titles;
  for (const int32_t item : items)
    if (item != kPaddingItem) titles.emplace_back(dataset.title(item));
  return titles;
}

// With a candidate file what the user had before the held-out item; with a retriever all of it, and
// fresh candidates.
void rerank_user(const RerankOptions& options) {
  const Ranker ranker = open_ranker(options);
  const Dataset dataset = Dataset::open(options.dataset);
  const auto user = dataset.find_user(options.user);
  if (!user) throw DataError("{}: there is no user '{}'", options.dataset, options.user);
  ThreadPool pool(options.threads);
  const int64_t k = ranker.config().num_candidates;
  History history;
  std::vector<int32_t> items;
  if (!options.candidates.empty()) {
    const Split split = parse_split(options.split);
    const CandidateSet set = load_candidates(options.candidates, dataset, split, k, pool);
    check_same_data(set, dataset);
    history = input_items(dataset, *user, split);
    const auto row = set.items_of(*user);
    items.assign(row.begin(), row.begin() + std::min(k, static_cast<int64_t>(std::ssize(row))));
  } else {
    const auto retriever = load_retriever(options.retriever);
    check_fits(retriever->config(), dataset, options.retriever);
    history = dataset.items(*user);
    const History one[] = {history};
    const auto lists = retriever->top_k(one, k, SeenItems::kHistory, pool);
    for (const ScoredItem& found : lists[0]) items.push_back(found.item);
  }
  const auto shown =
      history.last(std::min(history.size(), static_cast<size_t>(ranker.config().max_history)));
  answer_one(options, ranker, titles_of(dataset, shown), titles_of(dataset, items), pool);
}

// Before and after, on the same users.
struct Stage {
  std::string title;   // "valid retrieval subset"
  std::string folder;  // "subset"
  Evaluation retriever, both;
};

void print_stage(const Stage& stage, const ResamplingOptions& resampling, ThreadPool& pool) {
  const Evaluation columns[] = {stage.retriever, stage.both};
  fmt::print("{} ({} users)\n{}", stage.title, stage.both.num_users(), metric_table(columns));
  const Comparison comparison = compare(stage.retriever, stage.both, resampling, pool);
  for (const MetricComparison& metric : comparison.metrics) {
    if (metric.name == "NDCG@10")
      fmt::print("NDCG@10 differs by {:+.4f} [{:.4f}, {:.4f}], p = {:.4f}\n", metric.difference,
                 metric.interval.low, metric.interval.high, metric.p_value);
  }
  fmt::print("\n");
}

Json stage_json(const Stage& stage) {
  const auto metrics = [](const Evaluation& evaluation) {
    Json json = Json::object();
    for (const MetricResult& metric : evaluation.metrics)
      json[metric.name] = {
          {"value", metric.value}, {"low", metric.interval.low}, {"high", metric.interval.high}};
    return json;
  };
  return {{"users", stage.both.num_users()},
          {"retriever", metrics(stage.retriever)},
          {"ranker", metrics(stage.both)}};
}

void rerank_all(const RerankOptions& options) {
  const InterruptGuard guard;
  options.resampling.validate();
  const Ranker ranker = open_ranker(options);
  const Dataset dataset = Dataset::open(options.dataset);
  ThreadPool pool(options.threads);
  const fs::path source = options.candidates.empty() ? options.retriever : options.candidates;
  const int64_t k = ranker.config().num_candidates;
  const SecondStage second =
      open_second_stage(source, dataset, parse_split(options.split), k, pool);
  const CandidateSet& candidates = second.candidates;
  const std::vector<RankingSample>& samples = second.samples;
  const Matrix scores = letter_logits(ranker, dataset, samples, pool);
  const RankList subset = rank_samples(samples, scores.values, scores.columns);

  Protocol protocol;
  protocol.split = options.split;
  protocol.seen_items = candidates.seen_items;
  protocol.resampling = options.resampling;
  protocol.fingerprint = dataset.fingerprint();
  protocol.version = TANDEM_VERSION;
  const auto evaluate = [&](const std::string& system, const RankList& ranks) {
    return evaluate_ranks(
        system, protocol, ranks, [&](int64_t u) { return std::string(dataset.user_id(u)); },
        [&](int64_t i) { return std::string(dataset.item_id(static_cast<int32_t>(i))); }, pool);
  };
  const std::string both = candidates.retriever + "+ranker";
  std::vector<Stage> stages(2);
  protocol.candidate_set = fmt::format("{} top {}", candidates.retriever, k);
  protocol.users = "valid retrieval";
  stages[0] = {"Valid retrieval subset", "subset",
               evaluate(candidates.retriever, retriever_ranks(samples, candidates)),
               evaluate(both, subset)};
  protocol.users = "all";
  stages[1] = {"All users: subset and complement combined", "overall",
               evaluate(candidates.retriever, all_retriever_ranks(candidates)),
               evaluate(both, combine_ranks(subset, candidates))};
  if (!options.output.empty()) {
    StagedFolder staged(options.output, options.overwrite);
    for (const Stage& stage : stages) {
      write_evaluation(staged.path() / stage.folder, stage.both, false);
      write_evaluation(staged.path() / ("retriever-" + stage.folder), stage.retriever, false);
    }
    staged.commit();
  }
  if (options.json) {
    fmt::print("{}\n", dump({{"dataset_fingerprint", dataset.fingerprint()},
                             {"split", options.split},
                             {"verbalizer", ranker.config().verbalizer},
                             {"subset", stage_json(stages[0])},
                             {"overall", stage_json(stages[1])}}));
    return;
  }
  for (const Stage& stage : stages) print_stage(stage, options.resampling, pool);
  fmt::print("{}\n", stages[1].both.protocol.describe(stages[1].both.num_users(),
                                                      stages[1].both.num_tied()));
  if (!options.output.empty())
    fmt::print(
        "written to {0}/subset, overall, retriever-subset, retriever-overall; "
        "`tandem compare` reads them\n",
        options.output);
}

void run_rerank(const RerankOptions& options) {
  if (options.ranker.empty() && options.base.empty())
    throw UsageError("rerank needs --ranker RUN or --base DIR");
  if (!options.history.empty()) {
    if (options.candidates.empty())
      throw UsageError("--history needs --candidates \"title; title\"");
    return rerank_titles(options);
  }
  if (options.dataset.empty()) throw UsageError("rerank needs --dataset, or --history");
  if (options.candidates.empty() == options.retriever.empty())
    throw UsageError("rerank needs either --candidates FILE or --retriever RUN");
  if (!options.user.empty()) return rerank_user(options);
  rerank_all(options);
}

}  // namespace

void add_rerank_verb(CLI::App& app) {
  const auto options = std::make_shared<RerankOptions>();
  CLI::App* verb = app.add_subcommand(
      "rerank", "Rank a retriever's candidates with a language model: all users, one, or titles");
  verb->add_option("--ranker", options->ranker, "run folder of `tandem train ranker`")
      ->check(CLI::ExistingDirectory);
  verb->add_option("--base", options->base,
                   "an untuned model (Hugging Face folder or GGUF file) alone; with --ranker "
                   "where its base lies now")
      ->check(CLI::ExistingPath);
  verb->add_option("--dataset", options->dataset, "data set folder, from `tandem data import`")
      ->check(CLI::ExistingDirectory);
  verb->add_option("--candidates", options->candidates,
                   "file of `tandem retrieve`; with --history titles with ; between them");
  verb->add_option("--retriever", options->retriever, "a retriever's run, which finds them now")
      ->check(CLI::ExistingPath);
  verb->add_option("--split", options->split, "which held-out item: valid or test")
      ->capture_default_str();
  verb->add_option("--user", options->user, "rank for this user alone");
  verb->add_option("--history", options->history, "titles, oldest first, with ; between them");
  verb->add_option("--output", options->output,
                   "folder for the evaluations, which `tandem compare` reads");
  verb->add_flag("--overwrite", options->overwrite, "replace the output folder");
  verb->add_option("--verbalizer", options->verbalizer, "with --base: exact or compat");
  verb->add_option("--title-truncation", options->title_truncation,
                   "with --base: model, fixed:TOKENIZER or chars:N");
  verb->add_option("--precision", options->precision,
                   "of the products: float32, or bfloat16, twice as fast where the CPU has it")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  verb->add_flag("--show-prompt", options->show_prompt, "print the prompt, too");
  verb->add_option("--resamples", options->resampling.resamples, "bootstrap samples")
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors")->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->footer(
      "Examples:\n"
      "  tandem rerank --ranker run --dataset D --candidates test.safetensors --output eval\n"
      "  tandem rerank --ranker run --dataset D --retriever retriever --user 42\n"
      "  tandem rerank --ranker run --history \"Heat (1995); Alien (1979)\" --candidates \"Fargo "
      "(1996); Toy Story (1995)\"");
  verb->callback([options] { run_rerank(*options); });
}

}  // namespace tandem
