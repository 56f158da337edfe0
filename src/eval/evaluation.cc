// SPDX-License-Identifier: Apache-2.0
#include "eval/evaluation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "eval/beyond_utility.h"

namespace tandem {
namespace {

constexpr std::string_view kFormat = "tandem-evaluation-2";
constexpr std::string_view kHeader = "user\ttarget\trank\ttied\texcluded";
// The first version had no column and no count of excluded targets.
constexpr std::string_view kFirstFormat = "tandem-evaluation-1";
constexpr std::string_view kFirstHeader = "user\ttarget\trank\ttied";
constexpr const char* kMetricsFile = "metrics.json";
constexpr const char* kRanksFile = "ranks.tsv";

// Outside ids may hold anything; tab, line ends and backslash are written as \t \n \r and \\.
std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string unescape(std::string_view text, std::string_view file, int64_t line) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const char next = ++i < text.size() ? text[i] : '\0';
    constexpr std::string_view kLetters = "tnr\\", kMeanings = "\t\n\r\\";
    const size_t which = next == '\0' ? std::string_view::npos : kLetters.find(next);
    if (which == std::string_view::npos) {
      throw FormatError("{}:{}: '{}' has a backslash that is not \\t, \\n, \\r or \\\\", file, line,
                        text);
    }
    out += kMeanings[which];
  }
  return out;
}

std::vector<MetricResult> measure(const Evaluation& evaluation, ThreadPool& pool) {
  const std::vector<Metric> metrics = ranking_metrics(evaluation.protocol.cutoffs);
  const UserValues values = user_values(evaluation.ranks, metrics);
  const std::vector<double> point = means(values);
  const std::vector<Interval> intervals =
      bootstrap_intervals(values, evaluation.protocol.resampling, pool);
  std::vector<MetricResult> results;
  for (size_t m = 0; m < metrics.size(); ++m) {
    results.push_back({metrics[m].name(), point[m], intervals[m]});
  }
  return results;
}

MetricResult read_metric(const Json& json, const std::string& where) {
  const auto interval = json_get<std::vector<double>>(json, "interval", where);
  if (interval.size() != 2) {
    throw FormatError("{}: an interval has {} ends, expected 2", where, interval.size());
  }
  return {json_get<std::string>(json, "name", where),
          json_get<double>(json, "value", where),
          {interval[0], interval[1]}};
}

// One of the line's two flags.
uint8_t read_flag(std::string_view field, const char* column, const std::string& file,
                  int64_t line) {
  if (field != "0" && field != "1")
    throw FormatError("{}:{}: {} is '{}', expected 0 or 1", file, line, column, field);
  return field == "1" ? 1 : 0;
}

void read_ranks(const fs::path& path, bool first_format, Evaluation& evaluation) {
  const MappedFile file(path);
  const std::string name = path.string();
  std::string_view rest = file.text();
  const std::string_view header = first_format ? kFirstHeader : kHeader;
  const size_t num_fields = first_format ? 4 : 5;
  std::unordered_set<std::string> seen;
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) throw FormatError("{}:{}: the line has no end", name, line);
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line == 1) {
      if (text != header)
        throw FormatError("{}:1: found '{}', expected the header", name, text.substr(0, 80));
      continue;
    }
    std::array<std::string_view, 5> fields;
    std::string_view tail = text;
    for (size_t i = 0; i < num_fields; ++i) {
      const size_t tab = tail.find('\t');
      if ((tab == std::string_view::npos) != (i + 1 == num_fields)) {
        throw FormatError("{}:{}: found '{}', expected {} fields, as in the header", name, line,
                          text.substr(0, 80), num_fields);
      }
      fields[i] = tail.substr(0, tab);
      tail.remove_prefix(tab == std::string_view::npos ? tail.size() : tab + 1);
    }
    int32_t rank = 0;
    const auto [stop, error] = std::from_chars(fields[2].begin(), fields[2].end(), rank);
    if (error != std::errc() || stop != fields[2].end() || rank < 0) {
      throw FormatError("{}:{}: rank is '{}', expected 0 or more", name, line, fields[2]);
    }
    evaluation.user_ids.push_back(unescape(fields[0], name, line));
    evaluation.target_ids.push_back(unescape(fields[1], name, line));
    evaluation.ranks.push_back(rank);
    evaluation.tied.push_back(read_flag(fields[3], "tied", name, line));
    if (!first_format) {
      evaluation.excluded.push_back(read_flag(fields[4], "excluded", name, line));
      if (evaluation.excluded.back() != 0 && rank != 0)
        throw FormatError("{}:{}: an excluded target has rank {}, expected 0", name, line, rank);
    }
    if (!seen.insert(evaluation.user_ids.back()).second) {
      throw FormatError("{}:{}: user '{}' stands twice", name, line, fields[0]);
    }
  }
}

// metrics.json must follow from ranks.tsv: a folder edited by hand, or half of two, is not an
// evaluation.
void check_metrics(const Evaluation& evaluation, const std::string& where) {
  const std::vector<Metric> metrics = ranking_metrics(evaluation.protocol.cutoffs);
  const std::vector<double> wanted = means(user_values(evaluation.ranks, metrics));
  if (evaluation.metrics.size() != metrics.size()) {
    throw FormatError("{}: {} metrics, expected {}", where, evaluation.metrics.size(),
                      metrics.size());
  }
  for (size_t m = 0; m < metrics.size(); ++m) {
    const MetricResult& found = evaluation.metrics[m];
    if (found.name != metrics[m].name()) {
      throw FormatError("{}: metric {} is '{}', expected '{}'", where, m, found.name,
                        metrics[m].name());
    }
    if (!(std::abs(found.value - wanted[m]) < 1e-9)) {
      throw FormatError("{}: {} is {}, but {} gives {}", where, found.name, found.value, kRanksFile,
                        wanted[m]);
    }
  }
}

constexpr size_t kTableWidth = 80;

size_t width_of(const std::vector<std::string>& cells) {
  size_t width = 0;
  for (const std::string& cell : cells) width = std::max(width, cell.size());
  return width;
}

// A cell a line, padded to the column's width and two blanks behind.
void append_column(const std::vector<std::string>& cells, std::vector<std::string>& lines) {
  const size_t width = width_of(cells) + 2;
  for (size_t i = 0; i < cells.size(); ++i) lines[i] += fmt::format("{:<{}}", cells[i], width);
}

}  // namespace

std::string Protocol::describe() const {
  const std::string seen = seen_items == "none"     ? "no item excluded"
                           : seen_items == "window" ? "items of the input window excluded"
                                                    : "items of the whole history excluded";
  return fmt::format(
      "{} split, {}, {}, {}, ties {}, {}{:g} % bootstrap intervals", split, users_text(users),
      candidate_set == "full" ? "full ranking" : candidate_set, seen, tie_rule_name(tie_rule),
      precision == "float32" ? "" : precision + " products, ", 100 * resampling.level);
}

std::string users_text(const std::string& users) {
  constexpr std::string_view kSubset = "valid retrieval", kOf = " of ", kDrawn = " drawn with ";
  if (users == kSubset) return "users whose held-out item was retrieved";
  if (users.starts_with(fmt::format("{}{}", kSubset, kOf)))
    return fmt::format("{}, of {}", users_text(std::string(kSubset)),
                       users_text(users.substr(kSubset.size() + kOf.size())));
  if (const size_t drawn = users.find(kDrawn); drawn != std::string::npos)
    return fmt::format("{} {}{}", users.substr(0, drawn),
                       users.substr(0, drawn) == "1" ? "user" : "users", users.substr(drawn));
  return users + " users";
}

Json protocol_json(const Protocol& protocol) {
  return Json{{"split", protocol.split},
              {"candidate_set", protocol.candidate_set},
              {"users", protocol.users},
              {"seen_items", protocol.seen_items},
              {"tie_rule", tie_rule_name(protocol.tie_rule)},
              {"precision", protocol.precision},
              {"cutoffs", protocol.cutoffs},
              {"seed", protocol.resampling.seed},
              {"resamples", protocol.resampling.resamples},
              {"interval_level", protocol.resampling.level},
              {"dataset_fingerprint", protocol.fingerprint},
              {"version", protocol.version}};
}

Protocol read_protocol(const Json& json, const std::string& where) {
  Protocol protocol;
  protocol.split = json_get<std::string>(json, "split", where);
  protocol.candidate_set = json_get<std::string>(json, "candidate_set", where);
  protocol.users = json_get<std::string>(json, "users", where);
  protocol.seen_items = json_get<std::string>(json, "seen_items", where);
  protocol.precision = json_get_or<std::string>(json, "precision", "float32", where);
  protocol.cutoffs = json_get<std::vector<int32_t>>(json, "cutoffs", where);
  protocol.resampling.seed = json_get<uint64_t>(json, "seed", where);
  protocol.resampling.resamples = json_get<int64_t>(json, "resamples", where);
  protocol.resampling.level = json_get<double>(json, "interval_level", where);
  protocol.fingerprint = json_get<std::string>(json, "dataset_fingerprint", where);
  protocol.version = json_get<std::string>(json, "version", where);
  try {
    protocol.tie_rule = parse_tie_rule(json_get<std::string>(json, "tie_rule", where));
    ranking_metrics(protocol.cutoffs);
  } catch (const ConfigError& error) {
    throw FormatError("{}: {}", where, error.what());
  }
  return protocol;
}

int64_t Evaluation::num_tied() const {
  return std::accumulate(tied.begin(), tied.end(), int64_t{0});
}

int64_t Evaluation::num_excluded() const {
  return std::accumulate(excluded.begin(), excluded.end(), int64_t{0});
}

int64_t Evaluation::num_unknown() const {
  if (protocol.candidate_set != "full") return 0;
  int64_t unknown = 0;
  for (size_t i = 0; i < excluded.size(); ++i) unknown += ranks[i] == 0 && excluded[i] == 0;
  return unknown;
}

std::string Evaluation::excluded_sentence() const {
  if (num_excluded() == 0) return "";
  return fmt::format(
      "{} of {} held-out items had been in the {}: what is there is not offered again, so they "
      "count as misses; --exclude none would offer it and rank them",
      num_excluded(), num_users(),
      protocol.seen_items == "window" ? "user's input window" : "user's history");
}

std::string Evaluation::unknown_sentence() const {
  if (num_unknown() == 0) return "";
  return fmt::format(
      "{} of {} held-out items are unknown to the model, which was trained without them: they "
      "count as misses",
      num_unknown(), num_users());
}

std::string Evaluation::describe() const {
  if (excluded.empty())
    return fmt::format(
        "{}; {} of {} held-out items tied or excluded (stored without telling which)",
        protocol.describe(), num_tied(), num_users());
  std::string text =
      fmt::format("{}; {} of {} held-out items tied", protocol.describe(), num_tied(), num_users());
  for (const std::string& sentence : {excluded_sentence(), unknown_sentence()})
    if (!sentence.empty()) text += ". " + sentence;
  return text;
}

Evaluation evaluate_ranks(std::string system, const Protocol& protocol, const RankList& ranks,
                          const NameOf& user_name, const NameOf& item_name, ThreadPool& pool) {
  if (ranks.size() == 0)
    throw DataError("{}: no user has a held-out item in the {} split", system, protocol.split);
  Evaluation evaluation{.system = std::move(system),
                        .protocol = protocol,
                        .metrics = {},
                        .user_ids = {},
                        .target_ids = {},
                        .ranks = ranks.ranks,
                        .tied = ranks.tied,
                        .excluded = ranks.excluded};
  std::sort(evaluation.protocol.cutoffs.begin(), evaluation.protocol.cutoffs.end());
  for (int64_t i = 0; i < ranks.size(); ++i) {
    evaluation.user_ids.push_back(user_name(ranks.users[i]));
    evaluation.target_ids.push_back(item_name(ranks.targets[i]));
  }
  evaluation.metrics = measure(evaluation, pool);
  return evaluation;
}

Json value_json(double value, const Interval& interval) {
  return {{"value", value}, {"low", interval.low}, {"high", interval.high}};
}

Json metrics_json(const Evaluation& evaluation) {
  Json metrics = Json::object();
  for (const MetricResult& metric : evaluation.metrics)
    metrics[metric.name] = value_json(metric.value, metric.interval);
  return metrics;
}

void write_evaluation_files(const fs::path& folder, const Evaluation& evaluation) {
  if (std::ssize(evaluation.excluded) != evaluation.num_users())
    throw ShapeError("{}: {} users, {} of them said to be excluded or not", folder.string(),
                     evaluation.num_users(), evaluation.excluded.size());
  Json metrics = Json::array();
  for (const MetricResult& metric : evaluation.metrics) {
    metrics.push_back(Json{{"name", metric.name},
                           {"value", metric.value},
                           {"interval", Json::array({metric.interval.low, metric.interval.high})}});
  }
  Json json = {{"format", kFormat},
               {"system", evaluation.system},
               {"protocol", protocol_json(evaluation.protocol)},
               {"num_users", evaluation.num_users()},
               {"num_tied", evaluation.num_tied()},
               {"num_excluded", evaluation.num_excluded()},
               {"metrics", metrics}};
  if (!evaluation.facts.empty()) json["facts"] = evaluation.facts;
  write_json(folder / kMetricsFile, json);
  std::string ranks(kHeader);
  ranks += '\n';
  for (int64_t i = 0; i < evaluation.num_users(); ++i) {
    fmt::format_to(std::back_inserter(ranks), "{}\t{}\t{}\t{}\t{}\n",
                   escape(evaluation.user_ids[i]), escape(evaluation.target_ids[i]),
                   evaluation.ranks[i], evaluation.tied[i], evaluation.excluded[i]);
  }
  write_file(folder / kRanksFile, ranks);
}

const OutputKind kEvaluationFolder = {
    .name = "an evaluation",
    .recognises =
        [](const fs::path& folder) {
          return json_file_has(folder / kMetricsFile, "format", kFormat) ||
                 json_file_has(folder / kMetricsFile, "format", kFirstFormat) ||
                 (json_file_has(folder / kBeyondFile, "protocol") &&
                  fs::is_directory(folder / "all"));
        },
    .files = {"metrics.json", "ranks.tsv", "beyond_utility.json", "report.html", "fusion.json",
              "all/*/metrics.json", "all/*/ranks.tsv", "subset/*/metrics.json",
              "subset/*/ranks.tsv"}};

void write_evaluation(const Output& output, const Evaluation& evaluation) {
  StagedFolder staged(output);
  write_evaluation_files(staged.path(), evaluation);
  staged.commit();
}

Evaluation read_evaluation(const fs::path& folder) {
  const fs::path path = folder / kMetricsFile;
  const std::string where = path.string();
  const Json json = read_json(path);
  const auto format = json_get<std::string>(json, "format", where);
  const bool first_format = format == kFirstFormat;
  if (format != kFormat && !first_format)
    throw FormatError("{}: format is '{}', expected '{}'", where, format, kFormat);

  Evaluation evaluation;
  evaluation.system = json_get<std::string>(json, "system", where);
  evaluation.protocol = read_protocol(json_get<Json>(json, "protocol", where), where);
  const Json metrics = json_get<Json>(json, "metrics", where);
  if (!metrics.is_array()) throw FormatError("{}: 'metrics' is not a list", where);
  for (const Json& metric : metrics) evaluation.metrics.push_back(read_metric(metric, where));
  evaluation.facts = json_get_or<Json>(json, "facts", Json::object(), where);

  read_ranks(folder / kRanksFile, first_format, evaluation);
  std::vector<std::pair<const char*, int64_t>> counts = {{"num_users", evaluation.num_users()},
                                                         {"num_tied", evaluation.num_tied()}};
  if (!first_format) counts.emplace_back("num_excluded", evaluation.num_excluded());
  for (const auto& [key, counted] : counts) {
    const auto stated = json_get<int64_t>(json, key, where);
    if (stated != counted) {
      throw FormatError("{}: {} is {}, but {} has {}", where, key, stated, kRanksFile, counted);
    }
  }
  check_metrics(evaluation, where);
  return evaluation;
}

std::string metric_table(std::span<const Evaluation> systems) {
  if (systems.empty()) return "";
  std::vector<std::vector<std::string>> columns(systems.size() + 1);
  columns[0].push_back("metric");
  for (const MetricResult& metric : systems[0].metrics) columns[0].push_back(metric.name);
  for (size_t s = 0; s < systems.size(); ++s) {
    columns[s + 1].push_back(systems[s].system);
    for (const MetricResult& metric : systems[s].metrics) {
      columns[s + 1].push_back(fmt::format("{:.4f} [{:.4f}, {:.4f}]", metric.value,
                                           metric.interval.low, metric.interval.high));
    }
    if (columns[s + 1].size() != columns[0].size()) {
      throw ShapeError("metric_table: {} has {} metrics, {} has {}", systems[s].system,
                       systems[s].metrics.size(), systems[0].system, systems[0].metrics.size());
    }
  }
  std::string table;
  for (size_t begin = 1; begin < columns.size();) {
    std::vector<std::string> lines(columns[0].size());
    append_column(columns[0], lines);
    do {
      append_column(columns[begin++], lines);
    } while (begin < columns.size() && lines[0].size() + width_of(columns[begin]) <= kTableWidth);
    if (!table.empty()) table += "\n";
    for (std::string& line : lines) {
      line.erase(line.find_last_not_of(' ') + 1);
      table += line + "\n";
    }
  }
  return table;
}

}  // namespace tandem
