// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "eval/metrics.h"
#include "oracle/report.h"

namespace tandem::engine {
namespace {

// Limits from the oracle's README: float32 means of the authors' code, double precision otherwise.
constexpr double kAuthorsLimit = 1e-6;
constexpr double kExactLimit = 1e-12;

using Table = std::map<std::string, double>;

// {"Recall@10": 0.42, ...} in the order of `metrics`; names are compared without regard to case.
std::vector<double> in_order(const Json& stored, const std::vector<Metric>& metrics,
                             const std::string& where) {
  const auto lower = [](std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  };
  Table by_name;
  for (const auto& [name, value] : stored.items()) by_name[lower(name)] = value.get<double>();
  std::vector<double> values;
  for (const Metric& metric : metrics) {
    const auto found = by_name.find(lower(metric.name()));
    if (found == by_name.end()) throw FormatError("{}: {} is missing", where, metric.name());
    values.push_back(found->second);
  }
  return values;
}

std::vector<double> exact_metrics(const std::vector<int32_t>& ranks,
                                  const std::vector<Metric>& metrics) {
  return means(user_values(ranks, metrics));
}

// The authors' trainer averages batch means; the last, smaller batch weighs as much as a full one.
std::vector<double> mean_of_batch_means(const std::vector<int32_t>& ranks, size_t batch,
                                        const std::vector<Metric>& metrics) {
  std::vector<double> sums(metrics.size(), 0.0);
  size_t batches = 0;
  for (size_t first = 0; first < ranks.size(); first += batch, ++batches) {
    const size_t last = std::min(first + batch, ranks.size());
    const std::vector<double> part =
        exact_metrics({ranks.begin() + static_cast<std::ptrdiff_t>(first),
                       ranks.begin() + static_cast<std::ptrdiff_t>(last)},
                      metrics);
    for (size_t m = 0; m < sums.size(); ++m) sums[m] += part[m];
  }
  for (double& sum : sums) sum /= static_cast<double>(batches);
  return sums;
}

std::vector<int32_t> ranks_of(const std::vector<std::vector<float>>& scores,
                              const std::vector<int32_t>& labels, TieRule rule) {
  std::vector<int32_t> ranks;
  for (size_t user = 0; user < labels.size(); ++user) {
    ranks.push_back(rank_of(scores[user], labels[user], rule).rank);
  }
  return ranks;
}

std::string count_equal(const std::vector<int32_t>& found, const std::vector<int32_t>& wanted) {
  size_t equal = 0;
  for (size_t i = 0; i < std::min(found.size(), wanted.size()); ++i) equal += found[i] == wanted[i];
  return fmt::format("{} of {} ranks", equal, wanted.size());
}

void check_case(const Json& stored, const std::vector<Metric>& metrics, const std::string& where,
                OracleReport& report) {
  const auto name = json_get<std::string>(stored, "name", where);
  const auto scores = json_get<std::vector<std::vector<float>>>(stored, "scores", where);
  const auto labels = json_get<std::vector<int32_t>>(stored, "labels", where);
  const auto batch = json_get<int64_t>(stored, "batch", where);
  if (batch < 1) throw FormatError("{}: case {}: batch is {}", where, name, batch);
  if (labels.empty() || labels.size() != scores.size()) {
    throw FormatError("{}: case {}: {} labels for {} rows of scores", where, name, labels.size(),
                      scores.size());
  }
  const std::pair<const char*, TieRule> rules[] = {
      {"rank_strict", TieRule::kStrict},
      {"rank_worst", TieRule::kWorst},
      {"rank_lower_index_first", TieRule::kLowerIndexFirst}};
  for (const auto& [key, rule] : rules) {
    const auto wanted = json_get<std::vector<int32_t>>(stored, key, where);
    const std::vector<int32_t> found = ranks_of(scores, labels, rule);
    report.equal(name + "." + key, found == wanted, count_equal(found, wanted));
  }

  const std::vector<int32_t> strict = ranks_of(scores, labels, TieRule::kStrict);
  const std::vector<int32_t> worst = ranks_of(scores, labels, TieRule::kWorst);
  const auto authors_rank = json_get<std::vector<int32_t>>(stored, "rank_authors_order", where);
  if (authors_rank.size() != labels.size())
    throw FormatError("{}: rank_authors_order is short", where);
  report.equal(name + ".authors_order_equals_lower_index_first",
               json_get<bool>(stored, "authors_order_equals_lower_index_first", where) ==
                   (ranks_of(scores, labels, TieRule::kLowerIndexFirst) == authors_rank));
  bool within = true, flags = true;
  size_t num_tied = 0;
  for (size_t user = 0; user < labels.size(); ++user) {
    within &= strict[user] <= authors_rank[user] && authors_rank[user] <= worst[user];
    const bool tied = rank_of(scores[user], labels[user]).tied;
    flags &= tied == (strict[user] != worst[user]);
    num_tied += tied;
  }
  report.equal(name + ".rank_authors_order within the tie", within);
  report.equal(name + ".tied flags", flags);
  const auto wanted_tied = json_get<size_t>(stored, "users_with_tied_label", where);
  report.equal(name + ".users_with_tied_label", num_tied == wanted_tied,
               fmt::format("{}, expected {}", num_tied, wanted_tied));

  report.error(name + ".exact_strict",
               max_abs_difference(exact_metrics(strict, metrics),
                                  in_order(stored.at("exact_strict"), metrics, where)),
               kExactLimit);
  report.error(name + ".exact_from_authors_order",
               max_abs_difference(exact_metrics(authors_rank, metrics),
                                  in_order(stored.at("exact_from_authors_order"), metrics, where)),
               kExactLimit);
  // Under ties the authors' own ranks stand in: no rule describes the order of their sort.
  const bool free_of_ties = num_tied == 0;
  if (free_of_ties) report.equal(name + ".rank_authors_order", strict == authors_rank);
  const std::vector<int32_t>& ranks = free_of_ties ? strict : authors_rank;
  report.error(name + ".authors",
               max_abs_difference(exact_metrics(ranks, metrics),
                                  in_order(stored.at("authors"), metrics, where)),
               kAuthorsLimit);
  report.error(
      name + ".authors_mean_of_batch_means",
      max_abs_difference(mean_of_batch_means(ranks, static_cast<size_t>(batch), metrics),
                         in_order(stored.at("authors_mean_of_batch_means"), metrics, where)),
      kAuthorsLimit);
}

void check_metrics(const fs::path& folder, OracleReport& report) {
  const fs::path path = folder / "ranking.json";
  const std::string where = path.string();
  const Json json = read_json(path);
  const std::vector<Metric> metrics =
      ranking_metrics(json_get<std::vector<int32_t>>(json, "cuts", where));
  for (const Json& stored : json.at("cases")) check_case(stored, metrics, where, report);
}

const OracleChecker checker("metrics", "engine", check_metrics);

}  // namespace
}  // namespace tandem::engine
