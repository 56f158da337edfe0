// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/named_items.h"
#include "cli/retriever_options.h"
#include "cli/two_stage_options.h"
#include "cli/typed_titles.h"
#include "cli/verbs.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/log.h"
#include "core/output.h"
#include "core/plural.h"
#include "offline/recommendation_file.h"
#include "rank/catalogue.h"
#include "rank/history.h"
#include "rank/recommend.h"

namespace tandem {
namespace {

struct RecommendOptions : RetrieverOptions {
  RecommendOptions() { exclude = "history"; }

  std::string user, output;
  std::vector<std::string> history;  // as typed
  bool typed_history = false, all_users = false, overwrite = false;
  int64_t k = 10, shown = 10;
  int threads = 0;
  bool json = false;
  TwoStageOptions second;
  std::string fusion;  // weights

  engine::SeenItems seen() const { return engine::parse_seen_items(exclude); }
  // A visitor of whom nothing is known.
  bool visitor() const { return typed_history && is_blank(history); }
};

// A list with what it was made from.
struct Answer {
  engine::History history;
  std::string source;  // the model's type, or "popularity"
  std::vector<Recommendation> list;
};

void check(const RecommendOptions& options) {
  if (!options.user.empty() + options.typed_history + options.all_users != 1)
    throw UsageError(
        "recommend needs one of --user ID, --history \"title; title\" (\"\" for a visitor without "
        "history) and --all-users");
  if (options.all_users == options.output.empty())
    throw UsageError("{}", options.all_users ? "--all-users needs --output FILE.jsonl or FILE.csv"
                                             : "--output needs --all-users");
  const bool second = options.second.asked();
  if (!options.fusion.empty() && !second)
    throw UsageError("--fusion needs --ranker or --likelihood: it weighs them and the retriever");
  if (second && options.all_users)
    throw UsageError(
        "--all-users lists what the retriever alone recommends: a language model takes seconds a "
        "user, so --ranker and --likelihood go with --user and --history; `tandem eval --ranker` "
        "ranks for all users");
  if (second && options.visitor())
    throw UsageError("--ranker and --likelihood need a history; a visitor gets popular items");
  options.seen();
}

std::string exclusion_text(const RecommendOptions& options) {
  switch (options.seen()) {
    case engine::SeenItems::kHistory:
      return "nothing of the history again (--exclude history; eval's default is window)";
    case engine::SeenItems::kWindow:
      return "nothing of the history that the model sees again (--exclude window)";
    case engine::SeenItems::kNone:
      break;
  }
  return "items of the history may be recommended again (--exclude none)";
}

double fusion_weight(const std::string& path, const std::string& scorer) {
  return path.empty() ? 1 : json_get<double>(read_json(path), scorer, path);
}

Answer answer(const RecommendOptions& options, const Dataset& dataset, engine::History history) {
  // What is wrong with the run is wrong for visitors, too.
  const auto retriever =
      open_retriever(options.run, dataset, {.max_length = options.max_length}).retriever;
  if (!knows_any(*retriever, history)) {
    const bool again = options.seen() == engine::SeenItems::kNone;
    return {history, "popularity",
            PopularItems(dataset).top(options.k, again ? engine::History() : history)};
  }
  const auto warn_of_times = [&](const engine::Retriever& model, const std::string& run) {
    if (model.reads_times() && history.times().empty())
      spdlog::warn("{} reads when interactions were; typed titles have no time", run);
  };
  warn_of_times(*retriever, options.run);
  ThreadPool pool(options.threads);
  Answer result{history, retriever->config().model_type, {}};
  if (!options.second.asked()) {
    result.list = recommend(*retriever, history, options.k, options.seen(), pool);
    return result;
  }
  const SecondStageModels models = load_two_stage_models(options.second, dataset, pool);
  if (models.judge) warn_of_times(*models.judge, options.second.judge);
  result.list = recommend_two_stage(
      *retriever, models, history, options.k, options.seen(),
      [&](const std::string& scorer) { return fusion_weight(options.fusion, scorer); }, pool);
  return result;
}

void print_json(const RecommendOptions& options, const Dataset& dataset, const Answer& answer,
                engine::History recent) {
  const auto describe = [&](int32_t item) {
    return Json{{"item_id", dataset.item_id(item)}, {"title", dataset.title(item)}};
  };
  Json seen = Json::array(), found = Json::array();
  for (const int32_t item : recent) seen.push_back(describe(item));
  for (const Recommendation& entry : answer.list) {
    found.push_back(describe(entry.item));
    found.back()["score"] = entry.score;
    if (entry.reasons.empty()) continue;
    found.back()["retrieval_rank"] = entry.retrieved;
    for (const auto& [name, probability] : entry.reasons)
      found.back()["probability"][name] = probability;
  }
  Json result = {{"history_length", answer.history.size()},
                 {"recent_history", seen},
                 {"source", answer.source},
                 {"excluded", engine::seen_items_name(options.seen())},
                 {"recommendations", found}};
  if (!options.user.empty()) result["user"] = options.user;
  fmt::print("{}\n", result.dump(2, ' ', false, Json::error_handler_t::replace));
}

void print_list(const RecommendOptions& options, const Dataset& dataset, const Answer& answer) {
  const std::vector<Recommendation>& list = answer.list;
  if (answer.source == "popularity") {
    fmt::print("{}: the most popular items, by their number of interactions\n",
               answer.history.empty() ? "Nothing is known of this visitor"
                                      : "The model knows none of these items");
    for (size_t i = 0; i < list.size(); ++i)
      fmt::print("{:>3}  {:>8}  {}\n", i + 1, static_cast<int64_t>(list[i].score),
                 dataset.title(list[i].item));
    return;
  }
  if (list.empty() || list[0].reasons.empty()) {
    fmt::print("\nRecommended ({}, score before the title);\n{}\n", answer.source,
               exclusion_text(options));
    for (size_t i = 0; i < list.size(); ++i)
      fmt::print("{:>3}  {:>8.3f}  {}\n", i + 1, list[i].score, dataset.title(list[i].item));
    return;
  }
  fmt::print(
      "\nRecommended, both stages together; why: the retriever's place, then how probable "
      "each finds it among the candidates;\n{}\n{:>5}",
      exclusion_text(options), "place");
  for (const auto& reason : list[0].reasons) fmt::print("  {:>10}", reason.first);
  fmt::print("\n");
  for (size_t i = 0; i < list.size(); ++i) {
    fmt::print("{:>3}  {:>3}", i + 1, list[i].retrieved);
    for (const auto& reason : list[i].reasons) fmt::print("  {:>8.1f} %", 100 * reason.second);
    fmt::print("  {}\n", dataset.title(list[i].item));
  }
}

void recommend_to_one(const RecommendOptions& options) {
  const Dataset dataset = Dataset::open(options.dataset);
  std::vector<int32_t> typed;
  if (options.typed_history && !options.visitor()) typed = parse_history(dataset, options.history);
  const engine::History history =
      options.typed_history
          ? engine::History(typed)
          : history_of(dataset, find_user(dataset, options.user,
                                          "; for a visitor without history: --history \"\""));
  const Answer found = answer(options, dataset, history);
  const engine::History recent = history.newest(static_cast<size_t>(options.shown));
  if (options.json) return print_json(options, dataset, found, recent);
  if (!options.user.empty()) fmt::print("User {}, ", options.user);
  if (!history.empty())
    fmt::print("{}; the last {}, oldest first:\n", counted(std::ssize(history), "interaction"),
               recent.size());
  for (const int32_t item : recent) fmt::print("          {}\n", dataset.title(item));
  print_list(options, dataset, found);
}

void recommend_all(const RecommendOptions& options) {
  const InterruptGuard guard;
  const Output output(options.output, kRecommendationFile, options.overwrite,
                      {options.run, options.dataset});
  const Dataset dataset = Dataset::open(options.dataset);
  const auto retriever =
      open_retriever(options.run, dataset, {.max_length = options.max_length}).retriever;
  RecommendationFile file(output, dataset, retriever->config().model_type);
  ThreadPool pool(options.threads);
  int64_t popular = 0, lines = 0;
  recommend_to_all(*retriever, dataset, options.k, options.seen(), pool,
                   [&](const UserRecommendations& user) {
                     file.add(user);
                     popular += user.popular;
                     lines += std::ssize(user.items);
                   });
  file.commit();
  if (options.json) {
    fmt::print("{}\n", Json{{"output", options.output},
                            {"users", dataset.num_users()},
                            {"recommendations", lines},
                            {"users_with_popular_items", popular},
                            {"excluded", engine::seen_items_name(options.seen())}}
                           .dump(2));
    return;
  }
  fmt::print("{}: {} for {} after their whole history;\n{}\n", options.output,
             counted(lines, "recommendation"), counted(dataset.num_users(), "user"),
             exclusion_text(options));
  if (popular > 0)
    fmt::print("{} no item that the model knows: popular items instead\n",
               counted(popular, "user has", "users have"));
}

}  // namespace

void add_recommend_verb(CLI::App& app) {
  const auto options = std::make_shared<RecommendOptions>();
  CLI::App* verb = app.add_subcommand(
      "recommend", "What one user, a history typed in, or every user would be shown");
  add_retriever_options(*verb, *options);
  verb->add_option("--user", options->user, "a user's id, as in the source");
  CLI::Option* history = add_titles_option(
      *verb, "--history", options->history,
      "a title or item id, repeated for each, oldest first; or one text with ; between them, or a "
      "JSON array; \"\" for a visitor of whom nothing is known, who gets popular items");
  verb->add_flag("--all-users", options->all_users,
                 "all users of the data set, the newest event included, into --output, by the "
                 "retriever alone (no --ranker, no --likelihood)");
  verb->add_option("--output", options->output,
                   "with --all-users: FILE.jsonl (a line a user) or FILE.csv (a line a "
                   "recommendation)");
  verb->add_flag("--overwrite", options->overwrite, "replace a file of recommendations");
  verb->add_option("-k,--count", options->k, "how many recommendations")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  verb->add_option("--show-history", options->shown, "how many items of the history to print")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  add_two_stage_options(*verb, options->second);
  verb->add_option("--fusion", options->fusion,
                   "fusion.json of `tandem eval --fuse --output`: weights of retriever and models; "
                   "without it all weigh 1")
      ->check(CLI::ExistingFile);
  verb->footer(
      "Examples:\n"
      "  tandem recommend --run run --dataset dataset --history \"Toy Story (1995); Heat (1995)\"\n"
      "  tandem recommend --run run --dataset dataset --history \"Steins;Gate\" --history Heat\n"
      "  tandem recommend --run run --dataset dataset --all-users -k 10 --output lists.jsonl");
  verb->callback([options, history] {
    options->typed_history = history->count() > 0;
    check(*options);
    options->all_users ? recommend_all(*options) : recommend_to_one(*options);
  });
}

}  // namespace tandem
