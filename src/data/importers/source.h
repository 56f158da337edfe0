// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/importers/joined_history.h"
#include "data/raw_log.h"
#include "data/row_reader.h"

namespace tandem {

// What an importer fills.
struct Source {
  InteractionLog log;
  ItemCatalogue items;
  bool has_time = true;
  std::string time_unit;           // of the files (time_unit.h), "" where there is no time
  std::vector<std::string> files;  // the logs read
  // Of the first log: "user=user_id", ... and the columns that are not read. Empty where the format
  // fixes them.
  std::vector<std::string> columns, unread_columns;

  std::vector<JoinedHistory> histories;  // of each user, from logs with lists of earlier items
  TimeColumn history_times;              // of the rows of these logs

  // Before the rows of a log. Throws FormatError when only some of several logs have times.
  void begin_log(std::string_view file, bool timed);
  // After them: settles the unit of the times of the rows from `first` on.
  void end_log(size_t first, int64_t dates, ReadContext& context) {
    end_times(log.time, first, dates, context);
  }
  void end_times(TimeColumn& times, size_t first, int64_t dates, ReadContext& context);
};

// One call for a log whose rows are lines.
void read_log_lines(TextSource& text, bool timed, const std::function<LineParser()>& make_parser,
                    ReadContext& context, Source& source);

// Warns that no time was recognised among the columns (or keys).
void warn_no_time(std::string_view file, const std::vector<std::string>& names,
                  ReadContext& context);

}  // namespace tandem
