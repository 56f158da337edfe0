// SPDX-License-Identifier: Apache-2.0
// "user TAB item item item", oldest first: the order is the data, there are no timestamps.
#include "core/error.h"
#include "data/importers/importer.h"
#include "data/importers/items.h"
#include "data/importers/log_files.h"

namespace tandem {

void import_sequences(const ImportOptions& options, ReadContext& context, Source& source) {
  refuse_columns(options, "its lines are a user and items, no columns");
  const fs::path path = input_logs(options, {"sequences.tsv"}, {})[0];
  TextSource text(path);
  const auto make_parser = []() -> LineParser {
    return [items = std::vector<std::string_view>()](std::string_view line, RowSink& sink) mutable {
      const size_t tab = line.find('\t');
      if (tab == std::string_view::npos)
        throw BadLine{excerpt(line) + " without a tab", "user TAB items separated by spaces"};
      Row row;
      if (is_missing(line.substr(0, tab))) return sink.dropped.drop(RowFilter::kNoUser);
      row.user = parse_id(line.substr(0, tab), "user");
      split_fields(trimmed(line.substr(tab + 1)), " ", items);
      for (std::string_view& item : items) item = parse_id(item, "item");
      for (const std::string_view item : items) {
        row.item = item;
        sink.add(row);
      }
    };
  };
  read_log_lines(text, false, make_parser, context, source);
  const fs::path meta = meta_file(options, path, {"titles.tsv", "meta.jsonl", "meta.json"});
  if (!meta.empty()) read_items(meta, {}, context, source.items);
}

}  // namespace tandem
