// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/retriever_options.h"
#include "cli/two_stage_options.h"
#include "cli/verbs.h"
#include "core/config.h"
#include "core/json.h"
#include "rank/catalogue.h"

namespace tandem {
namespace {

struct RecommendOptions : RetrieverOptions {
  RecommendOptions() { exclude = "full"; }

  std::string user, history;
  int64_t k = 10, shown = 10;
  int threads = 1;
  bool json = false;
  TwoStageOptions second;
  std::string fusion;  // weights
};

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1));
}

// Up to three titles that a person may have meant: those that hold the words, else the nearest by
// spelling.
std::string suggestions(const Dataset& dataset, const std::string& wanted) {
  std::vector<std::string> found, titles;
  for (int32_t item = 1; item <= dataset.num_items(); ++item) {
    const std::string title(dataset.title(item));
    if (found.size() < 3 && lower(title).find(wanted) != std::string::npos) found.push_back(title);
    titles.push_back(lower(title));
  }
  if (found.empty()) {
    const std::string nearest = nearest_word(wanted, titles);
    const auto at = std::ranges::find(titles, nearest);
    if (!nearest.empty() && at != titles.end())
      found.emplace_back(dataset.title(static_cast<int32_t>(at - titles.begin()) + 1));
  }
  if (found.empty()) return "";
  std::string text = "; did you mean";
  for (size_t i = 0; i < found.size(); ++i)
    text += fmt::format("{} '{}'", i == 0 ? "" : ",", found[i]);
  return text + "?";
}

// A title (in any case), or an item id.
int32_t find_title(const Dataset& dataset, const std::string& text) {
  const std::string wanted = lower(text);
  for (int32_t item = 1; item <= dataset.num_items(); ++item)
    if (lower(dataset.title(item)) == wanted) return item;
  if (const auto item = dataset.find_item(text)) return *item;
  throw DataError("{}: no item has the title or id '{}'{}", dataset.folder().string(), text,
                  suggestions(dataset, wanted));
}

std::vector<int32_t> parse_history(const Dataset& dataset, const std::string& text) {
  std::vector<int32_t> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(';', begin), text.size());
    const std::string title = trimmed(std::string_view(text).substr(begin, end - begin));
    if (!title.empty()) items.push_back(find_title(dataset, title));
    begin = end + 1;
  }
  if (items.empty())
    throw UsageError("--history names no item; write titles with a ; between them");
  return items;
}

int64_t find_user(const Dataset& dataset, const std::string& id) {
  if (const auto user = dataset.find_user(id)) return *user;
  constexpr int64_t kSearched = 100'000;  // spelling is compared with this many ids at most
  std::vector<std::string> ids;
  for (int64_t user = 0; user < std::min(dataset.num_users(), kSearched); ++user)
    ids.emplace_back(dataset.user_id(user));
  const std::string nearest = nearest_word(id, ids);
  throw DataError("{}: there is no user '{}'{}", dataset.folder().string(), id,
                  nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest));
}

// A recommended item and why: what each scorer gives it among the candidates.
struct Recommendation {
  int32_t item = 0;
  double score = 0;                                          // of the retriever, or the fused one
  int64_t retrieved = 0;                                     // its place among the retriever's
  std::vector<std::pair<std::string, double>> reasons = {};  // scorer, probability
};

std::vector<double> fusion_weights(const std::string& path,
                                   std::span<const CandidateScores> scorers) {
  std::vector<double> weights(scorers.size(), 1);
  if (path.empty()) return weights;
  const Json json = read_json(path);
  for (size_t s = 0; s < scorers.size(); ++s)
    weights[s] = json_get<double>(json, scorers[s].name, path);
  return weights;
}

// The retriever's candidates in the order of the fused score.
std::vector<Recommendation> second_stage(const RecommendOptions& options, const Dataset& dataset,
                                         History history, const Retriever& retriever,
                                         ThreadPool& pool) {
  const SecondStageModels models = load_two_stage_models(options.second, dataset, pool);
  const History one[] = {history};
  const auto lists =
      retriever.top_k(one, models.num_candidates, parse_seen_items(options.exclude), pool);
  const std::vector<ScoredItem>& found = lists[0];
  if (found.empty()) return {};
  RankingSample sample{.history = history};
  Matrix scores(1, std::ssize(found));
  for (size_t i = 0; i < found.size(); ++i) {
    sample.candidates.push_back(found[i].item);
    scores.values[i] = found[i].score;
  }
  const std::span<const RankingSample> samples(&sample, 1);
  std::vector<CandidateScores> scorers = {
      candidate_scores(retriever.config().model_type, samples, scores)};
  for (CandidateScores& more : models.scores(samples, pool)) scorers.push_back(std::move(more));
  const Matrix fused = fuse(scorers, fusion_weights(options.fusion, scorers));
  std::vector<Recommendation> result;
  for (size_t i = 0; i < found.size(); ++i) {
    Recommendation entry{found[i].item, fused.values[i], static_cast<int64_t>(i) + 1};
    for (const CandidateScores& scorer : scorers)
      entry.reasons.emplace_back(scorer.name, std::exp(scorer.log_probabilities.values[i]));
    result.push_back(std::move(entry));
  }
  std::ranges::stable_sort(result, std::greater(), &Recommendation::score);
  result.resize(std::min(result.size(), static_cast<size_t>(options.k)));
  return result;
}

std::vector<Recommendation> first_stage(const RecommendOptions& options, History history,
                                        const Retriever& retriever, ThreadPool& pool) {
  const History one[] = {history};
  const auto lists = retriever.top_k(one, options.k, parse_seen_items(options.exclude), pool);
  std::vector<Recommendation> result;
  for (const ScoredItem& found : lists[0])
    result.push_back({found.item, found.score, std::ssize(result) + 1});
  return result;
}

void print_json(const RecommendOptions& options, const Dataset& dataset, History history,
                History recent, std::span<const Recommendation> list) {
  const auto describe = [&](int32_t item) {
    return Json{{"item_id", dataset.item_id(item)}, {"title", dataset.title(item)}};
  };
  Json seen = Json::array(), found = Json::array();
  for (const int32_t item : recent) seen.push_back(describe(item));
  for (const Recommendation& entry : list) {
    found.push_back(describe(entry.item));
    found.back()["score"] = entry.score;
    if (entry.reasons.empty()) continue;
    found.back()["retrieval_rank"] = entry.retrieved;
    for (const auto& [name, probability] : entry.reasons)
      found.back()["probability"][name] = probability;
  }
  Json result = {
      {"history_length", history.size()}, {"recent_history", seen}, {"recommendations", found}};
  if (!options.user.empty()) result["user"] = options.user;
  fmt::print("{}\n", result.dump(2, ' ', false, Json::error_handler_t::replace));
}

void print_list(const Dataset& dataset, const Retriever& retriever,
                std::span<const Recommendation> list) {
  if (list.empty() || list[0].reasons.empty()) {
    fmt::print("\nRecommended ({}, score before the title):\n", retriever.config().model_type);
    for (size_t i = 0; i < list.size(); ++i)
      fmt::print("{:>3}  {:>8.3f}  {}\n", i + 1, list[i].score, dataset.title(list[i].item));
    return;
  }
  fmt::print(
      "\nRecommended, both stages together; why: the retriever's place, then how probable "
      "each finds it among the candidates\n{:>5}",
      "place");
  for (const auto& reason : list[0].reasons) fmt::print("  {:>10}", reason.first);
  fmt::print("\n");
  for (size_t i = 0; i < list.size(); ++i) {
    fmt::print("{:>3}  {:>3}", i + 1, list[i].retrieved);
    for (const auto& reason : list[i].reasons) fmt::print("  {:>8.1f} %", 100 * reason.second);
    fmt::print("  {}\n", dataset.title(list[i].item));
  }
}

void run_recommend(const RecommendOptions& options) {
  if (options.user.empty() == options.history.empty())
    throw UsageError("recommend needs either --user ID or --history \"title; title\"");
  const Dataset dataset = Dataset::open(options.dataset);
  const std::vector<int32_t> typed =
      options.history.empty() ? std::vector<int32_t>{} : parse_history(dataset, options.history);
  const History history =
      options.history.empty() ? dataset.items(find_user(dataset, options.user)) : History(typed);
  const auto retriever =
      open_retriever(options.run, dataset, {.max_length = options.max_length}).retriever;
  ThreadPool pool(options.threads);
  const auto list = options.second.asked()
                        ? second_stage(options, dataset, history, *retriever, pool)
                        : first_stage(options, history, *retriever, pool);
  const History recent = history.last(std::min(history.size(), static_cast<size_t>(options.shown)));
  if (options.json) return print_json(options, dataset, history, recent, list);
  if (!options.user.empty()) fmt::print("User {}, ", options.user);
  fmt::print("{} interactions; the last {}, oldest first:\n", history.size(), recent.size());
  for (const int32_t item : recent) fmt::print("          {}\n", dataset.title(item));
  print_list(dataset, *retriever, list);
}

}  // namespace

void add_recommend_verb(CLI::App& app) {
  const auto options = std::make_shared<RecommendOptions>();
  CLI::App* verb =
      app.add_subcommand("recommend", "What one user, or a history typed in, would be shown");
  add_retriever_options(*verb, *options);
  verb->add_option("--user", options->user, "a user's id, as in the source");
  verb->add_option("--history", options->history,
                   "titles or item ids, oldest first, with ; between them");
  verb->add_option("-k,--count", options->k, "how many recommendations")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  verb->add_option("--show-history", options->shown, "how many items of the history to print")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  verb->add_flag("--json", options->json, "the result as JSON");
  add_two_stage_options(*verb, options->second);
  verb->add_option("--fusion", options->fusion,
                   "fusion.json of `tandem eval --fuse --output`: weights of retriever and models; "
                   "without it all weigh 1")
      ->check(CLI::ExistingFile);
  verb->footer(
      "Example:\n  tandem recommend --run run --dataset dataset --history \"Toy Story (1995); Heat "
      "(1995)\"");
  verb->callback([options] { run_recommend(*options); });
}

}  // namespace tandem
