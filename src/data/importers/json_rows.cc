// SPDX-License-Identifier: Apache-2.0
// Interactions as JSON lines: Amazon reviews and files of one's own.
#include <algorithm>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/json_line.h"

namespace tandem {
namespace {

// Amazon's 2023 reviews count milliseconds; 10^11 seconds is the year 5138.
constexpr int64_t kMilliseconds = 100'000'000'000;

struct Keys {
  std::string user, item, time, rating, title;
  std::vector<std::string> all;
};

std::string choose(const std::vector<std::string>& keys, const std::string& wanted,
                   const std::vector<std::string_view>& usual, std::string_view what,
                   bool required) {
  const auto has = [&](std::string_view name) {
    return std::find(keys.begin(), keys.end(), name) != keys.end();
  };
  if (!wanted.empty()) {
    if (has(wanted) || !required) return wanted;
    throw BadLine{fmt::format("keys {}", excerpt(fmt::format("{}", fmt::join(keys, ", ")))),
                  fmt::format("a key \"{}\" for the {}", wanted, what)};
  }
  for (const std::string_view name : usual) {
    if (has(name)) return std::string(name);
  }
  if (!required) return "";
  throw BadLine{fmt::format("keys {}", excerpt(fmt::format("{}", fmt::join(keys, ", ")))),
                fmt::format("a key for the {} named {}, or --columns {}=KEY", what,
                            fmt::join(usual, ", "), what)};
}

// The keys of the first line are those of the file.
Keys keys_of_file(TextSource& text, const ColumnMap& columns) {
  try {
    JsonLine json;
    json.parse(text.peek_line());
    const std::vector<std::string> keys = json.keys();
    Keys result;
    result.user = choose(keys, columns.user, user_names(), "user", true);
    result.item = choose(keys, columns.item, item_names(), "item", true);
    result.time = choose(keys, columns.time, time_names(), "time", false);
    result.rating = choose(keys, columns.rating, rating_names(), "rating", false);
    if (!columns.title.empty()) result.title = columns.title;
    result.all = keys;
    return result;
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
}

// A key that is absent or null is a missing value.
std::optional<int64_t> reason_of(JsonLine& json, const Keys& keys, const RowFilter& filter) {
  return filter.reason(
      json.text(keys.user).value_or(""), json.text(keys.item).value_or(""),
      [&](size_t i) { return json.scalar(filter.conditions()[i].column()).value_or(""); });
}

// Of a line that the filter keeps.
Row row_of(JsonLine& json, const Keys& keys) {
  Row row;
  row.user = parse_id(json.text(keys.user).value(), "user");
  row.item = parse_id(json.text(keys.item).value(), "item");
  if (!keys.time.empty()) row.time = json.whole(keys.time).value_or(0);
  if (!keys.rating.empty()) {
    if (const auto rating = json.real(keys.rating)) row.rating = static_cast<float>(*rating);
  }
  return row;
}

// Lines may have different keys, so only the whole file shows that a condition's key is on none.
void check_conditions(const std::string& file, const std::vector<std::string>& first_keys,
                      const ReadContext& context, int64_t rows) {
  const auto& conditions = context.filter.conditions();
  for (size_t i = conditions.size(); i-- > 0;) {
    const int64_t missing = context.dropped.count(RowFilter::no_value(i));
    rows += missing + context.dropped.count(RowFilter::unmet(i));  // that came to this condition
    if (missing > 0 && missing == rows)
      throw UsageError("--where {}: found no value for '{}' in {}, expected a key such as: {}",
                       conditions[i].text(), conditions[i].column(), file,
                       fmt::join(first_keys, ", "));
  }
}

void read_json_rows(TextSource& text, const Keys& keys, ReadContext& context, Source& source) {
  source.has_time = !keys.time.empty();
  const RowFilter& filter = context.filter;
  const auto make_parser = [&]() -> LineParser {
    const auto json = std::make_shared<JsonLine>();
    return [&keys, &filter, json](std::string_view line, RowSink& sink) {
      json->parse(line);
      if (const auto reason = reason_of(*json, keys, filter)) return sink.dropped.drop(*reason);
      sink.add(row_of(*json, keys));
    };
  };
  read_rows(text, make_parser, source.log, context);
  check_conditions(text.name(), keys.all, context, static_cast<int64_t>(source.log.user.size()));
}

// Titles inside the rows: the first one of an item counts, so a second pass in file order takes
// them.
void read_titles_of_rows(const fs::path& path, const Keys& keys, const RowFilter& filter,
                         Source& source) {
  TextSource text(path);
  JsonLine json;
  for (std::string_view block; text.next(block);) {
    while (!block.empty()) {
      const size_t size = std::min(block.find('\n'), block.size());
      const std::string_view line = trimmed(block.substr(0, size));
      block.remove_prefix(std::min(size + 1, block.size()));
      if (line.empty()) continue;
      try {
        json.parse(line);
        if (reason_of(json, keys, filter)) continue;
        const auto item = json.text(keys.item), title = json.text(keys.title);
        if (item && title) source.items.add({std::string(trimmed(*item)), clean_text(*title), {}});
      } catch (const BadLine&) {  // counted by the first pass
      }
    }
  }
}

// "user,item,rating,time" (2014) or "item,user,rating,time" (2018), without a header: an ASIN has
// ten characters, a reviewer id more.
ColumnLayout amazon_ratings_layout(TextSource& text, const ColumnMap& columns) {
  const std::vector<std::string> first = header_fields(text.peek_line(), ",");
  if (std::find(first.begin(), first.end(), "user_id") != first.end()) {  // 2023
    ColumnLayout layout = layout_of_header(first, ",", columns);
    text.take_line();
    return layout;
  }
  if (first.size() != 4)
    throw BadLine{fmt::format("{} columns: {}", first.size(), excerpt(text.peek_line())),
                  "user,item,rating,time without a header"};
  ColumnLayout layout;
  layout.num_columns = 4;
  const bool item_first = first[0].size() == 10 && first[1].size() > 10;
  layout.user = item_first ? 1 : 0;
  layout.item = item_first ? 0 : 1;
  layout.rating = 2;
  layout.time = 3;
  layout.names = item_first ? std::vector<std::string>{"item", "user", "rating", "timestamp"}
                            : std::vector<std::string>{"user", "item", "rating", "timestamp"};
  return layout;
}

}  // namespace

void import_jsonl(const ImportOptions& options, ReadContext& context, Source& source) {
  const fs::path path = input_file(options, {"interactions.jsonl", "interactions.json"});
  TextSource text(path);
  const Keys keys = keys_of_file(text, options.columns);
  read_json_rows(text, keys, context, source);
  if (!keys.title.empty()) read_titles_of_rows(path, keys, context.filter, source);
  const fs::path meta =
      meta_file(options, path, {"items.jsonl", "meta.jsonl", "items.csv", "titles.tsv"});
  if (!meta.empty()) read_items(meta, options.columns, context, source.items);
}

void import_amazon(const ImportOptions& options, ReadContext& context, Source& source) {
  fs::path path = options.input, meta = options.meta.value_or(fs::path());
  if (fs::is_directory(path)) {
    fs::path reviews;
    for (const char* suffix : {".json", ".jsonl", ".csv"}) {
      for (const fs::path& file : files_ending(options.input, suffix)) {
        const bool is_meta = plain_name(file).starts_with("meta");
        if (is_meta && meta.empty()) meta = file;
        if (!is_meta && reviews.empty()) reviews = file;
      }
    }
    if (reviews.empty())
      throw DataError(
          "{}: found no .json, .jsonl or .csv file (or .gz), expected Amazon reviews or ratings",
          path.string());
    path = reviews;
  } else if (!fs::exists(path)) {
    throw IoError("{}: no such file or folder", path.string());
  }
  TextSource text(path);
  if (plain_name(path).ends_with(".csv")) {
    ColumnLayout layout;
    try {
      layout = text.peek_line().starts_with("user,item")
                   ? layout_of_header(header_fields(text.peek_line(), ","), ",", options.columns)
                   : amazon_ratings_layout(text, options.columns);
    } catch (const BadLine& bad) {
      throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
    }
    if (text.line() == 0 && text.peek_line().starts_with("user,item")) text.take_line();
    read_table(text, layout, context, source);
  } else {
    read_json_rows(text, keys_of_file(text, options.columns), context, source);
  }
  const auto& times = source.log.time;
  if (!times.empty() && *std::max_element(times.begin(), times.end()) > kMilliseconds)
    source.log.time_divisor = 1000;
  if (!meta.empty()) read_items(meta, {}, context, source.items);
}

}  // namespace tandem
