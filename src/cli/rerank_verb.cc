// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/named_items.h"
#include "cli/typed_titles.h"
#include "cli/verbs.h"
#include "core/json.h"
#include "eval/candidates.h"
#include "offline/full_ranking.h"
#include "offline/samples.h"
#include "rank/catalogue.h"
#include "rank/history.h"
#include "rank/ranker.h"
#include "rank/ranker_files.h"
#include "rank/rerank.h"

namespace tandem {
namespace {

struct RerankOptions {
  std::string ranker, base, dataset, retriever, split = "test", user;
  std::vector<std::string> history, candidates;  // as typed; candidates may be a file
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

void print_json(const RerankOptions& options, const std::vector<std::string>& history,
                const std::vector<std::string>& candidates, const Reranking& answer) {
  Json list = Json::array();
  for (const RerankedCandidate& entry : answer.ranking) {
    list.push_back({{"letter", letter_of(entry.place)},
                    {"title", candidates[entry.place]},
                    {"probability", entry.probability},
                    {"place", entry.place + 1}});
    if (options.permutations == 1) list.back()["logit"] = entry.logit;
  }
  fmt::print("{}\n", Json{{"prompt", answer.prompt},
                          {"prompt_tokens", answer.prompt_tokens},
                          {"permutations", options.permutations},
                          {"history", history},
                          {"ranking", list}}
                         .dump(2, ' ', false, Json::error_handler_t::replace));
}

// One question, the answer as letters with probabilities, likeliest first.
void answer_one(const RerankOptions& options, const Ranker& ranker,
                const std::vector<std::string>& history, const std::vector<std::string>& candidates,
                ThreadPool& pool) {
  const Reranking answer = rerank(ranker, history, candidates, options.permutations, pool);
  if (options.json) return print_json(options, history, candidates, answer);
  if (options.show_prompt) fmt::print("{}\n", answer.prompt);
  fmt::print("History, oldest first:\n");
  for (const std::string& title : history) fmt::print("      {}\n", title);
  fmt::print("\nRanked ({} tokens; probability of the letter, place among the candidates):\n",
             answer.prompt_tokens);
  for (size_t i = 0; i < answer.ranking.size(); ++i) {
    const RerankedCandidate& entry = answer.ranking[i];
    fmt::print("{:>3}  {}  {:>6.1f} %  {:>3}  {}\n", i + 1, letter_of(entry.place),
               100 * entry.probability, entry.place + 1, candidates[entry.place]);
  }
}

void rerank_titles(const RerankOptions& options) {
  const std::vector<std::string> history = free_titles("--history", options.history),
                                 candidates = free_titles("--candidates", options.candidates);
  const Ranker ranker = open_ranker(options);
  ThreadPool pool(options.threads);
  answer_one(options, ranker, history, candidates, pool);
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
  const int64_t user = find_user(dataset, options.user);
  ThreadPool pool(options.threads);
  const int64_t k = ranker.config().num_candidates;
  engine::History history;
  std::vector<int32_t> items;
  if (!options.candidates.empty()) {
    const Split split = parse_split(options.split);
    const CandidateSet set = load_candidates(options.candidates[0], dataset, split, k, pool);
    history = history_of(dataset, user, split);
    const auto row = set.items_of(user);
    items.assign(row.begin(), row.begin() + std::min(k, static_cast<int64_t>(std::ssize(row))));
  } else {
    const auto retriever = open_retriever(options.retriever, dataset).retriever;
    history = history_of(dataset, user);
    const engine::History one[] = {history};
    const auto lists = retriever->top_k(one, k, engine::SeenItems::kHistory, pool);
    for (const engine::ScoredItem& found : lists[0]) items.push_back(found.item);
  }
  const auto shown = history.newest(static_cast<size_t>(ranker.config().max_history));
  answer_one(options, ranker, titles_of(dataset, shown), titles_of(dataset, items), pool);
}

void run_rerank(const RerankOptions& options) {
  if (options.ranker.empty() && options.base.empty())
    throw UsageError("rerank needs --ranker RUN or --base DIR");
  if (!options.history.empty() && !is_blank(options.history)) {
    if (options.candidates.empty())
      throw UsageError("--history needs --candidates \"title; title\"");
    return rerank_titles(options);
  }
  if (options.dataset.empty()) throw UsageError("rerank needs --dataset, or --history");
  if (options.candidates.empty() == options.retriever.empty())
    throw UsageError("rerank needs either --candidates FILE or --retriever RUN");
  if (options.candidates.size() > 1)
    throw UsageError("--candidates FILE goes once; titles need --history, too");
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
  add_titles_option(*verb, "--candidates", options->candidates,
                    "file of `tandem retrieve`; with --history titles, given as there");
  verb->add_option("--retriever", options->retriever, "a retriever's run, which finds them now")
      ->check(CLI::ExistingPath);
  verb->add_option("--split", options->split, "which held-out item: valid or test")
      ->capture_default_str();
  verb->add_option("--user", options->user, "whom to rank for");
  add_titles_option(*verb, "--history", options->history,
                    "a title, repeated for each, oldest first; or one text with ; between them, or "
                    "a JSON array");
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
