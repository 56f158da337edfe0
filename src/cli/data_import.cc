// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/data_verbs.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/plural.h"
#include "data/describe.h"
#include "data/equal_times.h"
#include "data/fields.h"
#include "data/import.h"

namespace tandem {
namespace {

constexpr const char* kImportHelp =
    R"(Turn a log of who took what, and when, into a data set folder that every other
verb reads.

Formats (--format); any file may be gzip:
  auto       told from the names and the first line
  movielens  u.data, ratings.dat or ratings.csv, with u.item, movies.dat or
             movies.csv beside it for the titles
  amazon     reviews (.json, .jsonl) or ratings (.csv) of 2014, 2018 or 2023;
             titles with --meta
  recbole    NAME.inter, with NAME.item beside it
  csv        one interaction a line under a header; titles from items.csv
             beside it or --meta
  jsonl      one JSON object a line; titles from items.jsonl beside it or --meta
  sequences  "user TAB item item item", oldest first; titles from titles.tsv or
             meta.jsonl beside it
  hllm       HLLM's two CSV files, interactions and information
  minionerec a folder with train*, valid*, test*.csv (user, earlier items, next
             item) and NAME.item.json

Columns are found under their usual names, whatever their case, '_' and '-';
--columns names others. Times are numbers since 1970 (seconds; milliseconds,
microseconds and nanoseconds are told by their size) or dates such as 2018-07-07
22:09:11 (UTC where they have no zone). Fractions count in the order; whole
seconds are kept. Logs of one split (NAME.train.csv, NAME.valid.csv,
NAME.test.csv) in a folder are read together.

Left out and counted, in this order: rows without a user or an item (empty,
null, NULL, NaN, nan, None, NA, N/A, <NA> or \N), rows that do not meet --where,
items of --drop-items, items without a title (--drop-untitled), then users and
items with too few interactions.

Examples:
  tandem data import --format movielens --input ml-latest-small --output ml
  tandem data import --format csv --input log.csv --where 'quantity>0' \
    --columns user=customer,item=sku,time=bought_at --output shop)";

struct ImportFlags {
  ImportOptions options;
  std::string output, columns, meta, drop_items, ties = "file", titles;
  int64_t min_user = -1, min_item = -1;
  int threads = 0;
  bool json = false;
};

Json report_json(const ImportReport& report, const std::string& output, double seconds) {
  const PrepareReport& prepared = report.prepared;
  Json dropped = prepared.dropped;
  dropped["items"]["unknown"] = prepared.unknown_drop_items;
  dropped["examples"] = Json::array();
  for (const DroppedRow& row : report.dropped.examples())
    dropped["examples"].push_back({{"reason", report.filter.reason_text(row.reason)},
                                   {"file", text_of_bytes(row.file)},
                                   {"line", row.line},
                                   {"text", row.text}});
  Json columns = Json::array(), unread = Json::array(), warnings = Json::array();
  for (const std::string& column : report.columns) columns.push_back(column);
  for (const std::string& column : report.unread_columns) unread.push_back(column);
  for (const std::string& warning : report.warnings) warnings.push_back(text_of_bytes(warning));
  return {{"dataset", text_of_bytes(output)},
          {"format", report.format},
          {"time", report.has_time ? Json(report.time_unit) : Json()},
          {"columns", std::move(columns)},
          {"unread_columns", std::move(unread)},
          {"titles", report.titles.empty() ? Json() : Json(report.titles)},
          {"raw_users", prepared.raw_users},
          {"raw_items", prepared.raw_items},
          {"raw_interactions", prepared.raw_interactions},
          {"num_users", prepared.num_users},
          {"num_items", prepared.num_items},
          {"num_interactions", prepared.num_interactions},
          {"titled_items", prepared.titled_items},
          {"equal_times", report.has_time ? prepared.equal_times.to_json() : Json()},
          {"skipped_lines", report.skipped_lines},
          {"dropped", std::move(dropped)},
          {"fingerprint", prepared.fingerprint},
          {"warnings", std::move(warnings)},
          {"seconds", seconds}};
}

// What was left out, with the first rows of each reason and the listed items that no row has.
void print_dropped(const ImportReport& report) {
  if (report.skipped_lines > 0)
    fmt::print("       {} skipped\n", counted(report.skipped_lines, "bad line"));
  for (const std::string& line : dropped_lines(report.prepared.dropped))
    fmt::print("       left out: {}\n", line);
  for (const DroppedRow& row : report.dropped.examples())
    fmt::print("         {}:{}: {} ({})\n", row.file, row.line, row.text,
               report.filter.reason_text(row.reason));
  const std::vector<std::string>& unknown = report.prepared.unknown_drop_items;
  if (unknown.empty()) return;
  constexpr size_t kShown = 5;
  const auto count = static_cast<int64_t>(unknown.size());
  fmt::print(
      "       {} of --drop-items {} in no row: {}{}\n", counted(count, "id"),
      count == 1 ? "is" : "are",
      fmt::join(unknown.begin(),
                unknown.begin() + static_cast<int64_t>(std::min(kShown, unknown.size())), ", "),
      unknown.size() > kShown ? ", ..." : "");
}

void print_report(const ImportReport& report, const std::string& output, double seconds) {
  const PrepareReport& prepared = report.prepared;
  fmt::print("read   {}, {}, {} (format {}{})\n", counted(prepared.raw_users, "user"),
             counted(prepared.raw_items, "item"), counted(prepared.raw_interactions, "interaction"),
             report.format, report.titles.empty() ? "" : ", titles " + report.titles);
  if (!report.columns.empty())
    fmt::print("       columns {}{}\n", fmt::join(report.columns, ", "),
               report.unread_columns.empty()
                   ? ""
                   : fmt::format("; not read: {}", fmt::join(report.unread_columns, ", ")));
  print_dropped(report);
  fmt::print("wrote  {}, {} ({} with a title), {} to {} in {}\n",
             counted(prepared.num_users, "user"), counted(prepared.num_items, "item"),
             prepared.titled_items, counted(prepared.num_interactions, "interaction"), output,
             format_duration(seconds));
  if (!report.has_time) {
    fmt::print("       no times: the order is that of the source\n");
  } else {
    fmt::print("       times are {} there, whole seconds here; {}\n", report.time_unit,
               equal_times_text(prepared.equal_times.to_json(), prepared.num_interactions));
  }
  if (report.min_user > 1 || report.min_item > 1)
    fmt::print("       every user has at least {}, every item {} (--min-user, --min-item)\n",
               counted(report.min_user, "interaction"), report.min_item);
}

void run_import(ImportFlags& flags) {
  ImportOptions& options = flags.options;
  if (!flags.columns.empty()) options.columns = parse_column_map(flags.columns);
  if (!flags.meta.empty()) options.meta = flags.meta;
  if (!flags.drop_items.empty()) options.drop_items = flags.drop_items;
  if (options.separator == "tab" || options.separator == "\\t") options.separator = "\t";
  options.ties = flags.ties == "item" ? EqualTimes::kItem : EqualTimes::kFile;
  if (!flags.titles.empty())
    options.titles = flags.titles == "llamarec" ? MovieTitles::kLlamaRec
                     : flags.titles == "plain"  ? MovieTitles::kPlain
                                                : MovieTitles::kClean;
  if (flags.min_user >= 0) options.min_user = flags.min_user;
  if (flags.min_item >= 0) options.min_item = flags.min_item;
  const Stopwatch watch;
  ThreadPool pool(flags.threads);
  const ImportReport report = import_dataset(options, flags.output, pool);
  for (const std::string& warning : report.warnings) spdlog::warn("{}", warning);
  if (flags.json) {
    fmt::print("{}\n", report_json(report, flags.output, watch.seconds()).dump(2));
  } else {
    print_report(report, flags.output, watch.seconds());
  }
}

}  // namespace

void add_data_import_verb(CLI::App& data) {
  const auto flags = std::make_shared<ImportFlags>();
  ImportOptions& options = flags->options;
  CLI::App* verb = data.add_subcommand("import", kImportHelp);
  verb->add_option("--format", options.format, "what the input is; see above")
      ->check(CLI::IsMember(import_formats()))
      ->capture_default_str();
  verb->add_option("--input", options.input, "a file or a folder")->required();
  verb->add_option("--output", flags->output, "the data set folder to write")->required();
  verb->add_option("--meta", flags->meta, "file with item titles and other text");
  verb->add_option("--columns", flags->columns,
                   "names (or numbers from 1) of the columns, names of JSON keys: "
                   "user=..,item=..,time=..,rating=..,title=..; item and title also of the file "
                   "of items. Not for formats with fixed columns");
  verb->add_option("--separator", options.separator,
                   "csv: what separates columns; default told from the first lines");
  verb->add_option("--min-user", flags->min_user,
                   "drop users with fewer interactions, repeatedly with --min-item (default 5; "
                   "sequences, hllm, minionerec: 0)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--min-item", flags->min_item,
                   "drop items with fewer interactions (default 5; sequences, hllm, minionerec: 0)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--ties", flags->ties,
                   "order of a user's interactions at equal times: as in the file, or by item as "
                   "LlamaRec does")
      ->check(CLI::IsMember({"file", "item"}))
      ->capture_default_str();
  verb->add_option(
          "--titles", flags->titles,
          "movielens: \"Matrix, The (1999)\" as \"The Matrix (1999)\" (clean), the same "
          "with broken accents as LlamaRec has it (llamarec), or as in the file (plain); default "
          "clean")
      ->check(CLI::IsMember({"clean", "llamarec", "plain"}));
  verb->add_option("--where", options.where,
                   "keep rows that meet 'COLUMN OPERATOR VALUE' (> >= < <= = !=), such as "
                   "'quantity>0'; may be repeated. Numbers compare as numbers, else as text; "
                   "columns by name or number from 1. Not for sequences, minionerec")
      ->allow_extra_args(false);
  verb->add_option("--drop-items", flags->drop_items, "file of item ids to leave out, one a line");
  verb->add_flag("--drop-untitled", options.drop_untitled,
                 "leave out items without a title, as LlamaRec does");
  verb->add_flag("--skip-bad-lines", options.skip_bad_lines,
                 "count lines that cannot be read instead of stopping");
  verb->add_flag("--overwrite", options.overwrite, "replace an existing output folder");
  verb->add_option("--threads", flags->threads, "0: one per processor")
      ->check(CLI::NonNegativeNumber);
  verb->add_flag("--json", flags->json, "print the result as JSON");
  verb->callback([flags] { run_import(*flags); });
}

}  // namespace tandem
