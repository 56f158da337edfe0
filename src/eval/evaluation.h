// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "core/output.h"
#include "core/thread_pool.h"
#include "eval/bootstrap.h"
#include "eval/metrics.h"

namespace tandem {

// Everything a number depends on besides the model; printed with it and compared before two systems
// are.
struct Protocol {
  std::string split = "test";          // "valid" or "test"
  std::string candidate_set = "full";  // "full", or what was ranked instead ("retriever top 20")
  std::string users =
      "all";  // "all" with a held-out item, or the subset's name ("valid retrieval")
  std::string seen_items =
      "window";  // "window", "history" or "none": known items that cannot be recommended
  TieRule tie_rule = TieRule::kStrict;
  std::string precision = "float32";  // of the products that gave the scores
  std::vector<int32_t> cutoffs = kDefaultCutoffs;
  ResamplingOptions resampling;
  std::string fingerprint;  // of the data set
  std::string version;      // of the program

  // One line: "test split, all users, full ranking, items of the input window excluded, ties
  // strict, 95 % bootstrap intervals".
  std::string describe() const;
};

// Protocol::users in words: "all users", "300 users drawn with seed 42", "users whose held-out item
// was retrieved".
std::string users_text(const std::string& users);

Json protocol_json(const Protocol& protocol);
// FormatError naming `where`.
Protocol read_protocol(const Json& json, const std::string& where);

struct MetricResult {
  std::string name;  // "NDCG@10"
  double value = 0;
  Interval interval;
};

// One system's evaluation. On disk a folder:
//   metrics.json  system, protocol, users, tied, excluded, metrics with intervals, facts
//   ranks.tsv     user, target, rank, tied, excluded; outside ids, one user a line, header first
struct Evaluation {
  std::string system;  // "lrurec", "popularity": the column's head in tables
  Protocol protocol;
  std::vector<MetricResult> metrics;  // Recall at all cut-offs, MRR, NDCG
  // Parallel to each other; outside ids.
  std::vector<std::string> user_ids, target_ids;
  std::vector<int32_t> ranks;
  std::vector<uint8_t> tied;
  // Held-out items that the seen-item rule forbids: rank 0. Empty in an evaluation that was stored
  // before they had a count of their own; there they are among the tied ones.
  std::vector<uint8_t> excluded;
  // What the system read (docs/formats.md), for `study`; empty where no language model was asked.
  Json facts = Json::object();

  int64_t num_users() const { return static_cast<int64_t>(ranks.size()); }
  int64_t num_tied() const;
  int64_t num_excluded() const;
  // Held-out items that the model does not know, since the data it was trained on lacked them: of a
  // full ranking the rank 0 that is not excluded.
  int64_t num_unknown() const;

  // "1580 of 4126 held-out items had been in the input window: they ... count as misses ...", or ""
  // when none was excluded.
  std::string excluded_sentence() const;
  // "12 of 4126 held-out items are unknown to the model: ... they count as misses", or "".
  std::string unknown_sentence() const;
  // The protocol, how many held-out items were tied, and the two sentences.
  std::string describe() const;
};

// Outside names of a dense user and item.
using NameOf = std::function<std::string(int64_t)>;

// Metrics and their intervals from ranks. DataError when no user was ranked.
Evaluation evaluate_ranks(std::string system, const Protocol& protocol, const RankList& ranks,
                          const NameOf& user_name, const NameOf& item_name, ThreadPool& pool);

// {"value", "low", "high"}, and the metrics so: {"Recall@10": {...}, ...}.
Json value_json(double value, const Interval& interval);
Json metrics_json(const Evaluation& evaluation);

// Into a folder that is there.
void write_evaluation_files(const fs::path& folder, const Evaluation& evaluation);
// The folder appears whole or not at all.
void write_evaluation(const Output& output, const Evaluation& evaluation);

// What `tandem eval --output` writes: the evaluation of a retriever, or those of two stages in
// folders below it.
extern const OutputKind kEvaluationFolder;
// Checks fields, lines and that the metrics follow from the ranks. FormatError with file and line.
Evaluation read_evaluation(const fs::path& folder);

// Metrics as rows, systems as columns, each with its interval; systems that do not fit into 80
// columns follow below:
//   metric      popularity                  lrurec
//   Recall@10   0.0820 [0.0607, 0.1049]     0.1066 [0.0820, 0.1311]
// ShapeError when the systems' metrics differ.
std::string metric_table(std::span<const Evaluation> systems);

}  // namespace tandem
