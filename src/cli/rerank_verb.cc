// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "core/json.h"
#include "eval/candidates.h"
#include "rank/candidate_order.h"
#include "rank/catalogue.h"
#include "rank/full_ranking.h"
#include "rank/ranker.h"
#include "rank/ranker_files.h"
#include "rank/samples.h"

namespace tandem {
namespace {

struct RerankOptions {
  std::string ranker, base, dataset, candidates, retriever, split = "test", user, history;
  std::string verbalizer, title_truncation, precision = "float32";
  int64_t permutations = 1;
  int threads = 0;
  bool json = false, show_prompt = false;
};

Ranker open_ranker(const RerankOptions& options) {
  PromptConfig prompt = options.ranker.empty() ? model_prompt(options.base) : PromptConfig{};
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
  const auto count = std::ssize(candidates);
  if (options.permutations > count)
    throw UsageError("--permutations is {}; {} candidates have no more turns", options.permutations,
                     count);
  std::vector<PromptIds> ids;
  for (int64_t j = 0; j < options.permutations; ++j) {
    std::vector<std::string> turn = cut_candidates;
    std::rotate(turn.begin(), turn.begin() + turn_of(j, options.permutations, count), turn.end());
    ids.push_back(ranker.encoder().encode(render_prompt(ranker.config(), cut_history, turn)));
  }
  const Matrix scores = ranker.score(ids, pool);
  std::vector<double> probabilities(candidates.size(), 0);
  for (int64_t j = 0; j < options.permutations; ++j) {
    const auto p =
        letter_probabilities({scores.row(j), static_cast<size_t>(scores.columns)}, count);
    const int64_t shift = turn_of(j, options.permutations, count);
    for (int64_t place = 0; place < count; ++place)
      probabilities[static_cast<size_t>((place + shift) % count)] +=
          p[static_cast<size_t>(place)] / static_cast<double>(options.permutations);
  }
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return probabilities[i]; });

  if (options.json) {
    Json list = Json::array();
    for (const size_t i : order) {
      list.push_back({{"letter", letter_of(static_cast<int64_t>(i))},
                      {"title", candidates[i]},
                      {"probability", probabilities[i]},
                      {"place", i + 1}});
      if (options.permutations == 1) list.back()["logit"] = scores.row(0)[i];
    }
    fmt::print("{}\n", dump({{"prompt", prompt},
                             {"prompt_tokens", ids[0].size()},
                             {"permutations", options.permutations},
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
    history = input_items(dataset, *user, split);
    const auto row = set.items_of(*user);
    items.assign(row.begin(), row.begin() + std::min(k, static_cast<int64_t>(std::ssize(row))));
  } else {
    const auto retriever = open_retriever(options.retriever, dataset).retriever;
    history = dataset.items(*user);
    const History one[] = {history};
    const auto lists = retriever->top_k(one, k, SeenItems::kHistory, pool);
    for (const ScoredItem& found : lists[0]) items.push_back(found.item);
  }
  const auto shown =
      history.last(std::min(history.size(), static_cast<size_t>(ranker.config().max_history)));
  answer_one(options, ranker, titles_of(dataset, shown), titles_of(dataset, items), pool);
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
  if (options.user.empty())
    throw UsageError("rerank needs --user ID; `tandem eval --ranker RUN` ranks for all users");
  rerank_user(options);
}

}  // namespace

void add_rerank_verb(CLI::App& app) {
  const auto options = std::make_shared<RerankOptions>();
  CLI::App* verb = app.add_subcommand(
      "rerank",
      "Rank a user's candidates, or titles, with a language model; for all users: eval --ranker");
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
  verb->add_option("--user", options->user, "whom to rank for");
  verb->add_option("--history", options->history, "titles, oldest first, with ; between them");
  verb->add_option("--verbalizer", options->verbalizer, "with --base: exact or compat");
  verb->add_option("--title-truncation", options->title_truncation,
                   "with --base: model, fixed:TOKENIZER or chars:N");
  verb->add_option("--precision", options->precision,
                   "of the products: float32, or bfloat16, twice as fast where the CPU has it")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  verb->add_flag("--show-prompt", options->show_prompt, "print the prompt, too");
  verb->add_option("--permutations", options->permutations,
                   "average the letters' probabilities over so many orders of the candidates, each "
                   "a turn of the one given")
      ->check(CLI::Range(1, 52))
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors")->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->footer(
      "Examples:\n"
      "  tandem rerank --ranker run --dataset D --candidates test.safetensors --user 42\n"
      "  tandem rerank --ranker run --dataset D --retriever retriever --user 42\n"
      "  tandem rerank --ranker run --history \"Heat (1995); Alien (1979)\" --candidates \"Fargo "
      "(1996); Toy Story (1995)\"");
  verb->callback([options] { run_rerank(*options); });
}

}  // namespace tandem
