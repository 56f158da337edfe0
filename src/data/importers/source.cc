// SPDX-License-Identifier: Apache-2.0
#include "data/importers/source.h"

#include "core/error.h"
#include "data/importers/time_unit.h"

namespace tandem {

void Source::begin_log(std::string_view file, bool timed) {
  if (!files.empty() && timed != has_time)
    throw FormatError("{}: found {} times, but {} has {}; expected the same of all parts", file,
                      timed ? "a column of" : "no", files.front(), has_time ? "them" : "none");
  has_time = timed;
  files.emplace_back(file);
}

void Source::end_times(TimeColumn& times, size_t first, int64_t dates, ReadContext& context) {
  if (!has_time) return;
  const std::string unit = settle_times(files.back(), first, dates, times, context);
  if (unit.empty() || unit == time_unit) return;
  time_unit = time_unit.empty() ? unit : "several";
}

void read_log_lines(TextSource& text, bool timed, const std::function<LineParser()>& make_parser,
                    ReadContext& context, Source& source) {
  source.begin_log(text.name(), timed);
  const size_t first = source.log.user.size();
  const int64_t dates = read_rows(text, make_parser, source.log, context);
  source.end_log(first, dates, context);
}

void warn_no_time(std::string_view file, const std::vector<std::string>& names,
                  ReadContext& context) {
  context.warn(fmt::format(
      "{}: no time is recognised among {}; the order of the file is taken for the order in time "
      "(--columns time=NAME names another)",
      file, fmt::join(names, ", ")));
}

}  // namespace tandem
