// SPDX-License-Identifier: Apache-2.0
// GroupLens files: u.data and u.item (100K), ratings.dat and movies.dat (1M, 10M), ratings.csv and
// movies.csv (20M and later, latest). MovieTweetings has the same .dat form.
#include <array>
#include <cctype>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/importers/log_files.h"

namespace tandem {
namespace {

// Python's str.strip() on Latin-1 text, which also takes 0x85 and 0xA0 (the second byte of an "à"
// in UTF-8).
std::string_view strip_latin1(std::string_view text) {
  const auto blank = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x09 && byte <= 0x0D) || (byte >= 0x1C && byte <= 0x20) || byte == 0x85 ||
           byte == 0xA0;
  };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// "Matrix, The (The Meh) (1999)" -> "The Matrix (1999)", on bytes. The last seven characters count
// as the year, whatever they are.
std::string llamarec_title(std::string_view raw, bool latin1) {
  const size_t year_at = raw.size() < 7 ? 0 : raw.size() - 7;
  const std::string_view year = raw.substr(year_at);
  std::string title;
  std::string_view left = raw.substr(0, year_at);
  for (size_t open; (open = left.find('(')) != std::string_view::npos;) {
    const size_t close = left.find(')', open);
    if (close == std::string_view::npos) break;
    title += left.substr(0, open);
    left.remove_prefix(close + 1);
  }
  title += left;
  title = std::string(latin1 ? strip_latin1(title) : trimmed(title));

  std::string ending = title.substr(title.size() < 5 ? 0 : title.size() - 5);
  for (char& c : ending) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  for (const std::string_view article : {", a", ", an", ", the"}) {
    if (ending.find(article) == std::string::npos) continue;
    const size_t comma = title.rfind(", ");
    title = title.substr(comma + 2) + ' ' + title.substr(0, comma);
    break;
  }
  return title + std::string(year);
}

std::string movie_title(std::string_view raw, MovieTitles how) {
  if (how == MovieTitles::kLlamaRec) return clean_text(latin1_to_utf8(llamarec_title(raw, true)));
  // 1M and older files are Latin-1, the CSV files UTF-8.
  std::string text = valid_utf8(raw) ? std::string(raw) : latin1_to_utf8(raw);
  if (how == MovieTitles::kPlain) return clean_text(text);
  text = std::string(trimmed(text));
  const bool has_year = text.size() >= 7 && text.ends_with(')') && text[text.size() - 6] == '(';
  return clean_text(has_year ? llamarec_title(text, false) : text);
}

std::string utf8(std::string_view text) {
  return valid_utf8(text) ? std::string(text) : latin1_to_utf8(text);
}

// A title that holds the separator is put together again: in movies.dat it is what lies between the
// first and the last column, in u.item what is left of the 22 columns after it.
void join_title(std::vector<std::string_view>& fields, std::string_view separator) {
  const size_t columns = separator == "::" ? 3 : 24;
  if (fields.size() <= columns) return;
  const auto end = fields.begin() + 1 + static_cast<int64_t>(fields.size() - columns);
  const std::string_view last = *end;
  fields[1] = {fields[1].data(), static_cast<size_t>(last.data() + last.size() - fields[1].data())};
  fields.erase(fields.begin() + 2, end + 1);
}

void read_movies(const fs::path& path, const ImportOptions& options, ReadContext& context,
                 ItemCatalogue& items) {
  const MovieTitles titles = options.titles.value_or(MovieTitles::kClean);
  context.item_files.push_back(path.string());
  TextSource text(path);
  const std::string name = plain_name(path);
  const bool csv = name.ends_with(".csv");
  const std::string separator = csv ? "," : name.ends_with(".dat") ? "::" : "|";
  ColumnLayout layout;
  int genres = csv || separator == "::" ? 2 : -1;
  layout.item = 0;
  layout.title = 1;
  if (csv) {
    try {
      ColumnMap columns;
      columns.title = options.columns.title;
      layout = layout_of_items(header_fields(text.peek_line(), ","), ",", columns);
      if (layout.title < 0) throw BadLine{excerpt(text.peek_line()), "a column 'title'"};
    } catch (const BadLine& bad) {
      throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
    }
    genres = -1;
    for (size_t i = 0; i < layout.names.size(); ++i) {
      if (layout.names[i] == "genres") genres = static_cast<int>(i);
    }
    text.take_line();
  }
  const auto add = [&](const std::vector<std::string_view>& fields) {
    const auto most = static_cast<size_t>(std::max(layout.item, layout.title));
    if (fields.size() <= most)
      throw BadLine{fmt::format("{} columns", fields.size()),
                    fmt::format("at least {} separated by '{}'", most + 1, separator)};
    if (csv && fields.size() > layout.num_columns)
      throw BadLine{fmt::format("{} columns", fields.size()),
                    fmt::format("{} separated by ','; a title with a comma needs quotes",
                                layout.num_columns)};
    RawItem item;
    item.id = utf8(parse_id(fields[layout.item], "item"));
    item.title = movie_title(fields[layout.title], titles);
    if (genres >= 0 && static_cast<size_t>(genres) < fields.size())
      item.fields.emplace_back("genres", clean_text(utf8(fields[genres])));
    items.add(std::move(item));
  };
  int64_t line = text.line() + 1;
  std::vector<std::string_view> fields;
  if (csv) {
    CsvReader reader(text.rest(), ",", line);
    for (bool more = true; more;) {
      try {
        if (!(more = reader.next(fields))) break;
        add(fields);
      } catch (const BadLine& bad) {
        context.bad_line(text.name(), reader.line(), bad);
      }
    }
    return;
  }
  for (std::string_view left = text.rest(); !left.empty();
       ++line) {  // .dat and u.item know no quotes
    const std::string_view one = cut_line(left);
    if (one.empty()) continue;
    try {
      split_fields(one, separator, fields);
      join_title(fields, separator);
      add(fields);
    } catch (const BadLine& bad) {
      context.bad_line(text.name(), line, bad);
    }
  }
}

}  // namespace

void import_movielens(const ImportOptions& options, ReadContext& context, Source& source) {
  const fs::path path = input_logs(options, {"ratings.csv", "ratings.dat", "u.data"}, {})[0];
  const fs::path movies = meta_file(options, path, {"movies.csv", "movies.dat", "u.item"});
  TextSource text(path);
  const std::string name = plain_name(path);
  ColumnLayout layout;
  if (name.ends_with(".csv")) {
    ColumnMap columns = options.columns;
    if (!movies.empty()) columns.title = "";
    layout = take_header(text, ",", columns);
  } else {
    refuse_columns(options, "the columns of u.data and ratings.dat are fixed");
    layout.separator = std::string(name.ends_with(".dat") ? "::" : "\t");
    layout.num_columns = 4;
    layout.user = 0;
    layout.item = 1;
    layout.rating = 2;
    layout.time = 3;
    layout.names = {"user", "item", "rating", "timestamp"};
  }
  read_table(text, layout, context, source);
  if (!movies.empty()) read_movies(movies, options, context, source.items);
}

}  // namespace tandem
