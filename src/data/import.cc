// SPDX-License-Identifier: Apache-2.0
#include "data/import.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/dataset_files.h"
#include "data/importers/importer.h"

namespace tandem {
namespace {

constexpr std::pair<std::string_view, Importer> kImporters[] = {
    {"movielens", import_movielens}, {"amazon", import_amazon},
    {"recbole", import_recbole},     {"csv", import_csv},
    {"jsonl", import_jsonl},         {"sequences", import_sequences},
    {"hllm", import_hllm},           {"minionerec", import_minionerec},
};

// Whether a row is one interaction whose columns a condition can name.
bool has_columns(std::string_view format) {
  return format != "sequences" && format != "minionerec";
}

const char* titles_name(MovieTitles titles) {
  return titles == MovieTitles::kClean   ? "clean"
         : titles == MovieTitles::kPlain ? "plain"
                                         : "llamarec";
}

// Sets that come filtered; a core would change the published sequences.
bool comes_filtered(std::string_view format) {
  return format == "sequences" || format == "hllm" || format == "minionerec";
}

std::string detect_in_folder(const fs::path& folder) {
  if (!files_ending(folder, ".inter").empty()) return "recbole";
  if (!find_in_folder(folder, {"sequences.tsv"}).empty()) return "sequences";
  if (!find_in_folder(folder, {"interactions.csv", "interactions.tsv"}).empty()) return "csv";
  if (!find_in_folder(folder, {"interactions.jsonl", "interactions.json"}).empty()) return "jsonl";
  if (!find_in_folder(folder, {"u.data", "ratings.dat"}).empty()) return "movielens";
  if (const fs::path ratings = find_in_folder(folder, {"ratings.csv"}); !ratings.empty()) {
    return TextSource(ratings).peek_line().starts_with("userId,movieId") ? "movielens" : "csv";
  }
  if (!files_ending(folder / "interactions", ".csv").empty()) return "hllm";
  if (!files_ending(folder, ".item.json").empty()) return "minionerec";
  for (const char* suffix : {".json", ".jsonl", ".csv"}) {
    for (const fs::path& file : files_ending(folder, suffix)) {
      if (plain_name(file).starts_with("meta")) continue;
      return detect_format(file);
    }
  }
  return "";
}

// What was left out while reading, for dataset.json.
Json about_dropped(const RowFilter& filter, const DroppedRows& rows) {
  Json where = Json::array();
  for (size_t i = 0; i < filter.conditions().size(); ++i)
    where.push_back({{"condition", filter.conditions()[i].text()},
                     {"interactions", rows.count(RowFilter::unmet(i))},
                     {"no_value", rows.count(RowFilter::no_value(i))}});
  return {{"no_user", rows.count(RowFilter::kNoUser)},
          {"no_item", rows.count(RowFilter::kNoItem)},
          {"where", std::move(where)}};
}

// A set of which nothing could be read: says what was left out, and shows the first of it.
[[noreturn]] void fail_empty(const ImportOptions& options, const RowFilter& filter,
                             const DroppedRows& dropped) {
  std::string reasons;
  for (int64_t reason = 0; reason < filter.num_reasons(); ++reason) {
    if (const int64_t count = dropped.count(reason); count > 0)
      reasons += fmt::format(", {} {}", count, filter.reason_text(reason));
  }
  const DroppedRow& first = dropped.examples().front();
  throw DataError("{}: no row is left: {} (the first: {}:{}: {})", options.input.string(),
                  reasons.substr(2), first.file, first.line, first.text);
}

}  // namespace

std::string detect_format(const fs::path& input) {
  if (!fs::exists(input)) throw IoError("{}: no such file or folder", input.string());
  std::string found;
  if (fs::is_directory(input)) {
    found = detect_in_folder(input);
  } else {
    const std::string name = plain_name(input);
    TextSource text(input);
    const std::string_view line = text.peek_line();
    if (name.ends_with(".inter")) {
      found = "recbole";
    } else if (name == "u.data" || name.ends_with(".dat") || line.starts_with("userId,movieId")) {
      found = "movielens";
    } else if (line.starts_with("{")) {
      found = line.find("\"asin\"") != std::string_view::npos ||
                      line.find("\"reviewerID\"") != std::string_view::npos
                  ? "amazon"
                  : "jsonl";
    } else if (line.starts_with("item_id,user_id")) {
      found = "hllm";
    } else if (name.starts_with("ratings_") && name.ends_with(".csv")) {
      found = "amazon";
    } else if (name.ends_with(".csv")) {
      found = "csv";
    } else if (name.ends_with(".tsv")) {
      found = line.find('\t') == line.rfind('\t') && line.find(' ') != std::string_view::npos
                  ? "sequences"
                  : "csv";
    }
  }
  if (found.empty())
    throw DataError(
        "{}: cannot tell the format (looked for .inter, sequences.tsv, interactions.csv, "
        "interactions.jsonl, u.data, ratings.dat, "
        "ratings.csv, interactions/*.csv, *.item.json, reviews in .json); name it with --format",
        input.string());
  return found;
}

const std::vector<std::string>& import_formats() {
  static const std::vector<std::string> formats = [] {
    std::vector<std::string> names{"auto"};
    for (const auto& [name, importer] : kImporters) names.emplace_back(name);
    return names;
  }();
  return formats;
}

ColumnMap parse_column_map(std::string_view text) {
  ColumnMap columns;
  std::vector<std::string_view> parts;
  split_fields(text, ",", parts);
  for (const std::string_view part : parts) {
    const size_t equals = part.find('=');
    const std::string_view key = trimmed(part.substr(0, equals));
    std::string* slot = key == "user"     ? &columns.user
                        : key == "item"   ? &columns.item
                        : key == "time"   ? &columns.time
                        : key == "rating" ? &columns.rating
                        : key == "title"  ? &columns.title
                                          : nullptr;
    if (!slot || equals == std::string_view::npos || part.size() == equals + 1)
      throw UsageError(
          "--columns: found '{}', expected user=NAME, item=NAME, time=NAME, rating=NAME or "
          "title=NAME, separated by commas",
          part);
    *slot = std::string(trimmed(part.substr(equals + 1)));
  }
  return columns;
}

ImportReport import_dataset(const ImportOptions& options, const fs::path& folder,
                            ThreadPool& pool) {
  const Output output(folder, kDatasetFolder, options.overwrite,
                      {options.input, options.meta.value_or(""), options.drop_items.value_or("")});
  ImportReport report;
  report.format = options.format == "auto" ? detect_format(options.input) : options.format;
  const auto* const chosen =
      std::find_if(std::begin(kImporters), std::end(kImporters),
                   [&](const auto& entry) { return entry.first == report.format; });
  if (chosen == std::end(kImporters))
    throw UsageError("--format: found '{}', expected one of {}", options.format,
                     fmt::join(import_formats(), ", "));

  if (!options.where.empty() && !has_columns(report.format))
    throw UsageError("--where: {} has no columns, expected another format than {}",
                     options.input.string(), report.format);

  Source source;
  ReadContext context;
  context.pool = &pool;
  context.filter = RowFilter(options.where);
  context.skip_bad_lines = options.skip_bad_lines;
  ImportOptions resolved = options;
  resolved.format = report.format;
  PrepareOptions prepare;
  if (options.drop_items) prepare.drop_items = read_item_ids(*options.drop_items);
  chosen->second(resolved, context, source);
  if (source.log.user.empty() && context.dropped.total() > 0)
    fail_empty(options, context.filter, context.dropped);
  if (!source.has_time && options.ties == EqualTimes::kItem)
    throw UsageError("--ties item: {} has no timestamps, its order is that of the file",
                     options.input.string());

  const int64_t core = comes_filtered(report.format) ? 0 : 5;
  prepare.min_user = report.min_user = options.min_user.value_or(core);
  prepare.min_item = report.min_item = options.min_item.value_or(core);
  prepare.ties = options.ties;
  prepare.drop_untitled = options.drop_untitled;
  report.skipped_lines = context.skipped_lines;
  // The folder's own name, not the path: a data set is the same wherever it was made.
  const fs::path name = options.input.has_filename() ? options.input.filename()
                                                     : options.input.parent_path().filename();
  Json about = {{"source",
                 {{"format", report.format},
                  {"name", name.string()},
                  {"skipped_lines", report.skipped_lines}}},
                {"dropped", about_dropped(context.filter, context.dropped)}};
  if (report.format == "movielens")
    about["source"]["titles"] = report.titles = titles_name(options.titles);
  report.prepared = write_dataset(output, std::move(source.log), source.items, prepare, about);
  report.filter = std::move(context.filter);
  report.dropped = std::move(context.dropped);
  return report;
}

}  // namespace tandem
