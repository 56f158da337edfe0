// SPDX-License-Identifier: Apache-2.0
// Interactions as JSON lines (or Python literals): Amazon reviews and files of one's own.
#include "data/importers/json_rows.h"

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/importers/items.h"
#include "data/importers/log_files.h"
#include "data/json_line.h"

namespace tandem {
namespace {

std::optional<std::string> find_key(const std::vector<std::string>& keys, const std::string& wanted,
                                    Role role) {
  if (!wanted.empty())
    return std::ranges::find(keys, wanted) == keys.end() ? std::nullopt : std::optional(wanted);
  if (const auto found = find_usual(keys, role)) return keys[found->at];
  return std::nullopt;
}

[[noreturn]] void fail_without(Role role, const std::string& wanted,
                               const std::vector<std::string>& first_keys) {
  const std::string_view what = role_name(role);
  throw BadLine{fmt::format("keys {}", excerpt(fmt::format("{}", fmt::join(first_keys, ", ")))),
                wanted.empty() ? fmt::format("a key for the {} named {}, or --columns {}=KEY", what,
                                             fmt::join(usual_names(role), ", "), what)
                               : fmt::format("a key \"{}\" for the {}", wanted, what)};
}

// Of one name, which value is meant, the line does not say.
void check_single(const std::vector<std::string>& keys) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (is_usual_name(keys[i]) && std::count(keys.begin(), keys.end(), keys[i]) > 1)
      throw BadLine{fmt::format("the key \"{}\" more than once", keys[i]), "it once"};
  }
}

// Reads lines until all keys are found that are usual for the roles, or wanted; mostly one.
class KeyFinder {
 public:
  KeyFinder(std::string file, const ColumnMap& columns, TitlesIn titles, ReadContext& context)
      : file_(std::move(file)), columns_(columns), titles_(titles), context_(context) {}

  // Whether further lines may tell more.
  bool read(JsonLine& json) {
    std::vector<std::string> keys = json.keys();
    if (keys == last_) return true;
    if (found_.first.empty()) {
      check_single(keys);
      found_.first = keys;
    }
    look(keys, columns_.user, Role::kUser, found_.user);
    look(keys, columns_.item, Role::kItem, found_.item);
    if (titles_ != TitlesIn::kItems) look(keys, columns_.title, Role::kTitle, found_.title);
    guess(keys, columns_.time, Role::kTime, found_.time,
          [&](const std::string& key) { (void)json.time(key); });
    guess(keys, columns_.rating, Role::kRating, found_.rating,
          [&](const std::string& key) { (void)json.real(key); });
    last_ = std::move(keys);
    return found_.user.empty() || found_.item.empty() || found_.time.empty() ||
           found_.rating.empty() || (titles_ != TitlesIn::kItems && found_.title.empty());
  }

  // Throws BadLine when a key that is needed or wanted is on no line.
  JsonKeys result() const {
    if (found_.user.empty()) fail_without(Role::kUser, columns_.user, found_.first);
    if (found_.item.empty()) fail_without(Role::kItem, columns_.item, found_.first);
    if (found_.time.empty() && !columns_.time.empty())
      fail_without(Role::kTime, columns_.time, found_.first);
    if (found_.rating.empty() && !columns_.rating.empty())
      fail_without(Role::kRating, columns_.rating, found_.first);
    if (found_.title.empty() && !columns_.title.empty() && titles_ == TitlesIn::kRows)
      fail_without(Role::kTitle, columns_.title, found_.first);
    return found_;
  }
  const std::vector<std::string>& first_keys() const { return found_.first; }

 private:
  static void look(const std::vector<std::string>& keys, const std::string& wanted, Role role,
                   std::string& key) {
    if (key.empty()) key = find_key(keys, wanted, role).value_or("");
  }

  // A key that only its name makes a time (or a rating) must hold one where it is first met.
  template <typename Read>
  void guess(const std::vector<std::string>& keys, const std::string& wanted, Role role,
             std::string& key, Read read_value) {
    if (!key.empty()) return;
    look(keys, wanted, role, key);
    if (key.empty() || !wanted.empty() || find_usual(keys, role)->sure) return;
    try {
      read_value(key);
    } catch (const BadLine& bad) {
      const std::string text = fmt::format(
          "{}: the key \"{}\" is not read: found {}, expected {} (--columns {}=KEY names "
          "another)",
          file_, key, bad.found, bad.expected, role_name(role));
      if (std::ranges::find(warned_, key) == warned_.end()) context_.warn(text);
      warned_.push_back(key);
      key.clear();
    }
  }

  std::string file_;
  const ColumnMap& columns_;
  TitlesIn titles_;
  ReadContext& context_;
  JsonKeys found_;
  std::vector<std::string> last_, warned_;
};

// A key that is absent or null is a missing value.
std::optional<int64_t> reason_of(JsonLine& json, const JsonKeys& keys, const RowFilter& filter) {
  return filter.reason(
      json.text(keys.user).value_or(""), json.text(keys.item).value_or(""),
      [&](size_t i) { return json.scalar(filter.conditions()[i].column()).value_or(""); });
}

// Of a line that the filter keeps.
Row row_of(JsonLine& json, const JsonKeys& keys) {
  Row row;
  row.user = parse_id(json.text(keys.user).value(), "user");
  row.item = parse_id(json.text(keys.item).value(), "item");
  if (!keys.time.empty()) {
    const auto time = json.time(keys.time);
    if (!time)
      throw BadLine{fmt::format("no time under \"{}\"", keys.time),
                    "a time, as other lines have it"};
    row.time = *time;
  }
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

// Titles inside the rows, in a second pass in file order: the first one of an item counts.
void read_titles_of_rows(const fs::path& path, const JsonKeys& keys, const RowFilter& filter,
                         Source& source) {
  TextSource text(path);
  JsonLine json;
  for (std::string_view block; text.next(block);) {
    while (!block.empty()) {
      const std::string_view line = trimmed(cut_line(block));
      if (line.empty()) continue;
      try {
        json.parse(line);
        if (reason_of(json, keys, filter)) continue;
        const auto item = json.text(keys.item), title = json.scalar(keys.title);
        if (item && title) source.items.add({std::string(trimmed(*item)), clean_text(*title), {}});
      } catch (const BadLine&) {  // counted by the first pass
      }
    }
  }
}

}  // namespace

JsonKeys keys_of_file(const fs::path& path, const ColumnMap& columns, TitlesIn titles,
                      ReadContext& context) {
  TextSource text(path);
  JsonLine json;
  KeyFinder finder(text.name(), columns, titles, context);
  int64_t number = 0, first_line = 1;
  for (std::string_view block; text.next(block);) {
    while (!block.empty()) {
      const std::string_view line = cut_line(block);
      ++number;
      if (line.empty()) continue;
      try {
        check_utf8(line);
        json.parse(line);
        if (finder.first_keys().empty()) first_line = number;
        if (!finder.read(json)) return finder.result();
      } catch (const BadLine& bad) {
        if (!context.skip_bad_lines)  // else reading counts it
          throw FormatError("{}:{}: found {}, expected {}", text.name(), number, bad.found,
                            bad.expected);
      }
    }
  }
  if (number == 0) throw FormatError("{}: found no line, expected JSON objects", text.name());
  try {
    JsonKeys keys = finder.result();
    if (keys.time.empty()) warn_no_time(text.name(), keys.first, context);
    return keys;
  } catch (const BadLine& bad) {
    throw FormatError("{}:{}: found {}, expected {}", text.name(), first_line, bad.found,
                      bad.expected);
  }
}

void read_json_rows(const fs::path& path, const JsonKeys& keys, ReadContext& context,
                    Source& source) {
  TextSource text(path);
  const RowFilter& filter = context.filter;
  const auto make_parser = [&]() -> LineParser {
    const auto json = std::make_shared<JsonLine>();
    return [&keys, &filter, json](std::string_view line, RowSink& sink) {
      json->parse(line);
      if (const auto reason = reason_of(*json, keys, filter)) return sink.dropped.drop(*reason);
      sink.add(row_of(*json, keys));
    };
  };
  read_log_lines(text, !keys.time.empty(), make_parser, context, source);
  check_conditions(text.name(), keys.first, context, static_cast<int64_t>(source.log.user.size()));
  if (!keys.title.empty()) read_titles_of_rows(path, keys, context.filter, source);
}

void import_jsonl(const ImportOptions& options, ReadContext& context, Source& source) {
  std::vector<fs::path> others;
  if (fs::is_directory(options.input)) others = json_logs(options.input, options.columns);
  const std::vector<fs::path> logs =
      input_logs(options, {"interactions.jsonl", "interactions.json"}, others);
  const fs::path meta =
      meta_file(options, logs[0], {"items.jsonl", "meta.jsonl", "items.csv", "titles.tsv"});
  ColumnMap item_columns = options.columns;
  for (const fs::path& log : logs) {
    const bool wanted = !options.columns.title.empty();
    const TitlesIn titles = meta.empty() ? TitlesIn::kRows
                            : wanted     ? TitlesIn::kEither
                                         : TitlesIn::kItems;
    JsonKeys keys = keys_of_file(log, options.columns, titles, context);
    // The title of a review is not the item's.
    if (!wanted && (keys.item == "asin" || keys.item == "parent_asin")) keys.title = "";
    if (!keys.title.empty()) item_columns.title = "";
    read_json_rows(log, keys, context, source);
  }
  if (!meta.empty()) read_items(meta, item_columns, context, source.items);
}

}  // namespace tandem
