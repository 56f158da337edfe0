// SPDX-License-Identifier: Apache-2.0
#include "data/import.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/plural.h"
#include "data/dataset_files.h"
#include "data/importers/history_rows.h"
#include "data/importers/importer.h"
#include "data/importers/items.h"
#include "data/importers/log_files.h"

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
[[noreturn]] void fail_empty(const ImportOptions& options, const Source& source,
                             const ReadContext& context) {
  if (context.dropped.total() == 0)
    throw DataError("{}: found no interaction{}, expected at least one",
                    fmt::join(source.files, ", "),
                    context.skipped_lines > 0
                        ? fmt::format(" but {}", counted(context.skipped_lines, "bad line"))
                        : "");
  std::string reasons;
  for (int64_t reason = 0; reason < context.filter.num_reasons(); ++reason) {
    if (const int64_t count = context.dropped.count(reason); count > 0)
      reasons += fmt::format(", {} {}", count, context.filter.reason_text(reason));
  }
  const DroppedRow& first = context.dropped.examples().front();
  throw DataError("{}: no row is left: {} (the first: {}:{}: {})", options.input.string(),
                  reasons.substr(2), first.file, first.line, first.text);
}

}  // namespace

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
  const DetectedInput detected = options.format == "auto"
                                     ? detect_format(options)
                                     : DetectedInput{options.format, options.input};
  report.format = detected.format;
  const auto* const chosen =
      std::find_if(std::begin(kImporters), std::end(kImporters),
                   [&](const auto& entry) { return entry.first == report.format; });
  if (chosen == std::end(kImporters))
    throw UsageError("--format: found '{}', expected one of {}", options.format,
                     fmt::join(import_formats(), ", "));

  if (!options.separator.empty() && report.format != "csv")
    throw UsageError("--separator: not for --format {}, whose separator is fixed", report.format);
  if (options.titles && report.format != "movielens")
    throw UsageError("--titles: not for --format {}, only for movielens", report.format);
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
  resolved.input = detected.input;
  PrepareOptions prepare;
  if (options.drop_items) prepare.drop_items = read_item_ids(*options.drop_items);
  chosen->second(resolved, context, source);
  join_histories(source, context);
  if (source.log.user.empty()) fail_empty(options, source, context);
  warn_of_missing_items(source.log, source.items, context);
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
                  {"name", text_of_bytes(name.string())},
                  {"skipped_lines", report.skipped_lines},
                  {"time", source.time_unit.empty() ? Json() : Json(source.time_unit)}}},
                {"time_unit", source.has_time ? Json("seconds") : Json()},
                {"dropped", about_dropped(context.filter, context.dropped)}};
  if (report.format == "movielens")
    about["source"]["titles"] = report.titles =
        titles_name(options.titles.value_or(MovieTitles::kClean));
  report.prepared = write_dataset(output, std::move(source.log), source.items, prepare, about);
  report.filter = std::move(context.filter);
  report.dropped = std::move(context.dropped);
  report.warnings = std::move(context.warnings);
  report.has_time = source.has_time;
  report.time_unit = source.time_unit;
  report.columns = std::move(source.columns);
  report.unread_columns = std::move(source.unread_columns);
  return report;
}

}  // namespace tandem
