// SPDX-License-Identifier: Apache-2.0
#include "offline/list_generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "engine/llama/generate.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

struct Replacement {
  std::string_view from, to;
};
// "&amp;" last, so that what it uncovers is not read again.
constexpr std::array<Replacement, 18> kPlain = {{{"&quot;", "\""},
                                                 {"&#34;", "\""},
                                                 {"&#39;", "'"},
                                                 {"&apos;", "'"},
                                                 {"&#x27;", "'"},
                                                 {"&lt;", "<"},
                                                 {"&gt;", ">"},
                                                 {"&nbsp;", " "},
                                                 {"\xC2\xA0", " "},
                                                 {"\xE2\x80\x98", "'"},
                                                 {"\xE2\x80\x99", "'"},
                                                 {"\xE2\x80\x9C", "\""},
                                                 {"\xE2\x80\x9D", "\""},
                                                 {"\xE2\x80\x93", "-"},
                                                 {"\xE2\x80\x94", "-"},
                                                 {"\xE2\x80\xA6", "..."},
                                                 {"`", "'"},
                                                 {"&amp;", "&"}}};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

struct Line {
  std::string_view title;
  int64_t number = 0;  // 0: none
};

// A line without its bullet or number.
Line parse_line(std::string_view line) {
  line = trimmed(line);
  if (line.starts_with("- ") || line.starts_with("* ")) return {trimmed(line.substr(2))};
  std::string_view rest = line;
  const bool bracket = rest.starts_with("(");
  if (bracket) rest.remove_prefix(1);
  int64_t number = 0;
  size_t digits = 0;
  for (; digits < rest.size() && digits < 4 && rest[digits] >= '0' && rest[digits] <= '9'; ++digits)
    number = 10 * number + (rest[digits] - '0');
  rest.remove_prefix(digits);
  const bool closed = bracket
                          ? rest.starts_with(")")
                          : rest.starts_with(".") || rest.starts_with(")") || rest.starts_with(":");
  if (digits == 0 || !closed) return {line};
  return {trimmed(rest.substr(1)), number};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::vector<std::string> titles_of(const TitledRanker& model, std::span<const int32_t> items) {
  std::vector<std::string> titles;
  for (const int32_t item : items) titles.push_back(model.titles[item]);
  return titles;
}

// The continuation, ended where a list is whole.
std::string write_answer(const TitledRanker& model, const std::string& prompt, int64_t list_size,
                         ThreadPool& pool) {
  const Ranker& ranker = model.ranker;
  const Tokenizer& tokenizer = ranker.encoder().tokenizer();
  const std::vector<int32_t> ids = ranker.encoder().encode(prompt);
  engine::GenerationOptions options{
      .max_new_tokens = list_size * (ranker.config().max_title_tokens + 8),
      .eos_tokens = {ranker.encoder().eos()}};
  for (const int64_t eos : ranker.model().config().eos_tokens) options.eos_tokens.push_back(eos);
  std::vector<int32_t> written;
  const auto text = [&] { return tokenizer.decode(written, true); };
  engine::generate(ranker.model(), ids, options, pool, [&](int32_t token) {
    if (interrupted()) return false;
    // Embeddings are often padded with rows that no text has.
    if (token >= tokenizer.vocab_size()) return true;
    written.push_back(token);
    if (written.size() % 8 != 0) return true;
    const std::string so_far = text();
    return std::ranges::count(so_far, '\n') < list_size && so_far.find("###") == std::string::npos;
  });
  if (interrupted()) throw Stopped("stopped before all lists were written; nothing was written");
  return text();
}

}  // namespace

std::string normalised_title(std::string_view title) {
  std::string plain(title);
  for (const auto& [from, to] : kPlain) replace_all(plain, from, to);
  std::string lower;
  for (const CharChange& change : lower_case(to_chars(repair_utf8(plain))))
    append_char(lower, change.c);
  std::string result;
  for (const char c : std::string(trimmed(lower))) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!blank) {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  while (result.size() > 1 && result.front() == result.back() &&
         (result.front() == '"' || result.front() == '\''))
    result = std::string(trimmed(std::string_view(result).substr(1, result.size() - 2)));
  return result;
}

TitleIndex::TitleIndex(const Dataset& dataset) {
  for (int32_t item = 1; item <= dataset.num_items(); ++item)
    items_.emplace(normalised_title(dataset.title(item)), item);
}

std::optional<int32_t> TitleIndex::find(std::string_view title) const {
  const auto found = items_.find(normalised_title(title));
  if (found == items_.end()) return {};
  return found->second;
}

WrittenList parse_list(std::string_view answer, int64_t size) {
  WrittenList list;
  int64_t lines = 0;
  bool numbered = true;
  answer = answer.substr(0, answer.find("###"));
  while (!answer.empty()) {
    const size_t end = std::min(answer.find('\n'), answer.size());
    const std::string_view line = trimmed(answer.substr(0, end));
    answer.remove_prefix(std::min(end + 1, answer.size()));
    if (line.empty()) continue;
    ++lines;
    const Line parsed = parse_line(line);
    numbered = numbered && parsed.number == lines && !parsed.title.empty();
    if (!parsed.title.empty() && std::ssize(list.titles) < size)
      list.titles.emplace_back(parsed.title);
  }
  list.compliant = numbered && lines == size;
  return list;
}

std::string list_prompt(const PromptConfig& config, Titles history, Titles candidates,
                        int64_t size) {
  const auto joined = [&](Titles titles) {
    std::string text;
    for (const std::string& title : titles) text += (text.empty() ? "" : config.separator) + title;
    return text;
  };
  return fmt::format(
      "### Instruction:\nGiven user history in chronological order, recommend {} items from the "
      "candidate pool. Write their titles, best first, one a line, numbered from 1.\n\n### "
      "Input:\nUser history: {}; \n Candidate pool: {}\n\n### Response:\n",
      size, render_history(config, history), joined(candidates));
}

GenerationQuality generate_lists(const TitledRanker& model, const Dataset& dataset,
                                 std::span<const RankingSample> samples,
                                 const ListGenerationOptions& options, ThreadPool& pool) {
  if (options.list_size < 1 || options.num_users < 1)
    throw UsageError("lists of {} titles for {} users", options.list_size, options.num_users);
  const TitleIndex index(dataset);
  const PromptConfig& config = model.ranker.config();
  const auto all = static_cast<int64_t>(std::ssize(samples));
  const int64_t count = std::min(options.num_users, all);
  GenerationQuality quality{.system = "", .num_users = count, .list_size = options.list_size};
  const Metric recall{MetricKind::kRecall, 10}, ndcg{MetricKind::kNdcg, 10};
  double titles = 0, unknown = 0, in_pool = 0, repeated = 0;
  Progress progress("writing lists", count, "users");
  for (int64_t u = 0; u < count; ++u) {
    const RankingSample& sample = samples[u * all / count];
    const engine::History newest = sample.history.newest(static_cast<size_t>(config.max_history));
    const std::string prompt = list_prompt(config, titles_of(model, newest),
                                           titles_of(model, sample.candidates), options.list_size);
    const std::string answer = write_answer(model, prompt, options.list_size, pool);
    const WrittenList list = parse_list(answer, options.list_size);
    std::unordered_map<std::string, int32_t> pool_titles;  // as the prompt shows them
    for (const int32_t item : sample.candidates)
      pool_titles.emplace(normalised_title(model.titles[item]), item);
    std::set<int32_t> seen;
    int32_t rank = 0;
    const int32_t target = sample.candidates[sample.answer];
    for (const std::string& title : list.titles) {
      const auto shown = pool_titles.find(normalised_title(title));
      const auto item =
          shown != pool_titles.end() ? std::optional(shown->second) : index.find(title);
      if (!item) {
        ++unknown;
        continue;
      }
      if (!seen.insert(*item).second) {
        ++repeated;
        continue;
      }
      if (std::ranges::find(sample.candidates, *item) != sample.candidates.end()) ++in_pool;
      if (*item == target) rank = static_cast<int32_t>(seen.size());
    }
    titles += static_cast<double>(list.titles.size());
    quality.compliant += list.compliant ? 1 : 0;
    quality.recall10 += recall.value(rank);
    quality.ndcg10 += ndcg.value(rank);
    if (u < options.examples)
      quality.samples.push_back({std::string(dataset.user_id(sample.user)), prompt, answer});
    progress.update(u + 1);
  }
  progress.finish();
  const double users = static_cast<double>(std::max<int64_t>(1, count));
  const double written = std::max(1.0, titles);
  quality.compliant /= users;
  quality.recall10 /= users;
  quality.ndcg10 /= users;
  quality.titles_a_user = titles / users;
  quality.hallucinated = unknown / written;
  quality.in_pool = in_pool / written;
  quality.repeated = repeated / written;
  return quality;
}

}  // namespace tandem
