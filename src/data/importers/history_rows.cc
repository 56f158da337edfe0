// SPDX-License-Identifier: Apache-2.0
#include "data/importers/history_rows.h"

#include "core/error.h"
#include "data/importers/record_reader.h"
#include "data/python_literal.h"

namespace tandem {

std::vector<std::string> parse_item_list(std::string_view text) {
  text = trimmed(text);
  std::vector<std::string> items;
  if (text.starts_with('[') || text.starts_with('(')) {
    const Json list = parse_python_literal(text);
    for (const Json& item : list) {
      if (!item.is_string() && !item.is_number_integer())
        throw BadLine{excerpt(item.dump()), "an item id"};
      items.emplace_back(
          parse_id(item.is_string() ? item.get<std::string>() : item.dump(), "item"));
    }
    return items;
  }
  if (is_missing(text)) return items;
  std::vector<std::string_view> parts;
  split_fields(text, " ", parts);
  for (const std::string_view part : parts) {
    if (!part.empty()) items.emplace_back(parse_id(part, "item"));
  }
  return items;
}

void read_histories(TextSource& text, const ColumnLayout& layout, bool quotes, ReadContext& context,
                    Source& source) {
  source.begin_log(text.name(), layout.time >= 0);
  InteractionLog& log = source.log;
  TimeColumn& times = source.history_times;
  const size_t first = times.size();
  int64_t dates = 0;
  for_rows(text, layout, quotes, context, [&](const Row& row, const auto& fields) {
    std::vector<int32_t> before;
    for (const std::string& id : parse_item_list(fields[layout.history]))
      before.push_back(log.items.add(id));
    const auto user = static_cast<size_t>(log.users.add(row.user));
    const int32_t item = log.items.add(row.item);
    if (source.histories.size() <= user) source.histories.resize(user + 1);
    times.push_back(row.time);
    source.histories[user].add(
        before,
        {.item = item, .own = true, .rating = row.rating, .row = std::ssize(times.whole) - 1},
        times);
    dates += row.time.date;
    if (layout.title >= 0)
      source.items.add({std::string(row.item), clean_text(fields[layout.title]), {}});
  });
  source.end_times(times, first, dates, context);
}

void join_histories(Source& source, ReadContext& context) {
  if (source.histories.empty()) return;
  if (!source.log.user.empty())
    throw FormatError(
        "{}: found files with and without lists of earlier items, expected one of both",
        fmt::join(source.files, ", "));
  int64_t listed = 0;
  for (size_t user = 0; user < source.histories.size(); ++user) {
    for (const JoinedHistory::Entry& entry : source.histories[user].entries()) {
      source.log.add(static_cast<int32_t>(user), entry.item, source.history_times[entry.row],
                     entry.rating);
      listed += !entry.own;
    }
  }
  source.histories.clear();
  if (listed > 0)
    context.warn(
        fmt::format("{}: {} of {} interactions are named only in lists of earlier items{}",
                    source.files.front(), listed, source.log.user.size(),
                    source.has_time ? "; they get the time of the first row that lists them" : ""));
}

}  // namespace tandem
