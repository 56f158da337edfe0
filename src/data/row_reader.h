// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/thread_pool.h"
#include "data/fields.h"
#include "data/raw_log.h"
#include "data/row_filter.h"
#include "data/text_source.h"

namespace tandem {

struct Row {
  std::string_view user, item;
  ExactTime time;
  float rating = kNoRating;
};

// Where a line parser puts its rows: columns of one part of a file, ids numbered by the worker's
// own tables.
class RowSink {
 public:
  RowSink(IdTable& users, IdTable& items) : users_(&users), items_(&items) {}

  void add(const Row& row) {
    user.push_back(users_->add(row.user));
    item.push_back(items_->add(row.item));
    time.push_back(row.time);
    dates += row.time.date;
    rating.push_back(row.rating);
  }

  std::vector<int32_t> user, item;
  TimeColumn time;
  std::vector<float> rating;
  int64_t dates = 0;  // times written as dates
  DroppedRows dropped;

 private:
  IdTable *users_, *items_;
};

// Adds the rows of one line (without its line end) or notes in sink.dropped why not; throws BadLine
// before it has added any.
using LineParser = std::function<void(std::string_view line, RowSink& sink)>;

struct ReadContext {
  ThreadPool* pool = nullptr;
  bool skip_bad_lines = false;
  int64_t skipped_lines = 0;
  RowFilter filter;
  DroppedRows dropped;
  std::vector<std::string> warnings;    // for standard error
  std::vector<std::string> item_files;  // that were read for titles

  void warn(std::string text) { warnings.push_back(std::move(text)); }
  // Throws FormatError "file:line: found ..., expected ..." or counts the line.
  void bad_line(std::string_view file, int64_t line, const BadLine& bad);
};

// read(line) for each line that is left in the source and not empty, in UTF-8; one that it throws
// BadLine for goes to the context.
void each_line(TextSource& source, ReadContext& context,
               const std::function<void(std::string_view line)>& read);

// Parses the lines that are left in the source, in parallel, and appends their rows in file order.
// Empty lines are passed over. make_parser is called once per thread. The first bad line of the
// file is the one reported. Returns how many times were dates.
int64_t read_rows(TextSource& source, const std::function<LineParser()>& make_parser,
                  InteractionLog& log, ReadContext& context);

}  // namespace tandem
