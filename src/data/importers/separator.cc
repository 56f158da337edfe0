// SPDX-License-Identifier: Apache-2.0
#include "data/importers/separator.h"

#include <algorithm>
#include <tuple>

#include "data/fields.h"
#include "data/importers/column_names.h"

namespace tandem {
namespace {

constexpr int kLines = 50;

struct Score {
  int known = 0;       // names of the header
  int fitting = 0;     // lines with as many columns as the header, of 1000
  bool table = false;  // more than one column

  bool operator<(const Score& other) const {
    return std::tie(table, known, fitting) < std::tie(other.table, other.known, other.fitting);
  }
};

Score score_of(std::string_view sample, std::string_view separator,
               const std::vector<std::string>& known) {
  CsvReader reader(sample, separator);
  std::vector<std::string_view> fields;
  Score score;
  size_t columns = 0;
  int lines = 0, fitting = 0;
  while (lines < kLines) {
    try {
      if (!reader.next(fields)) break;
      if (columns == 0) {
        columns = fields.size();
        for (const std::string_view field : fields) {
          const std::string name = clean_text(field);
          score.known += is_usual_name(name) || std::ranges::find(known, name) != known.end();
        }
        continue;
      }
      fitting += fields.size() == columns;
    } catch (const BadLine&) {
      if (columns == 0) return {};
    }
    ++lines;
  }
  score.table = columns > 1;
  score.fitting = lines == 0 ? 1000 : fitting * 1000 / lines;
  return score;
}

}  // namespace

std::string guess_separator(std::string_view sample, const std::vector<std::string>& known) {
  std::string best = ",";
  Score most;
  for (const char* separator : {"\t", ",", ";", "|", "^", "\x01", "::", " "}) {
    Score score = score_of(sample, separator, known);
    // A blank is also part of names and texts: it must fit every line.
    if (separator == std::string_view(" ") && score.fitting < 1000) continue;
    if (score.table && most < score) {
      most = score;
      best = separator;
    }
  }
  return best;
}

}  // namespace tandem
