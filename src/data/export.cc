// SPDX-License-Identifier: Apache-2.0
#include "data/export.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "core/version.h"
#include "data/text_source.h"

namespace tandem {

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

namespace {

constexpr const char* kMarkFile = "tandem-export.json";

// A text file written through a buffer.
class TextFile {
 public:
  explicit TextFile(const fs::path& path)
      : path_(path.string()), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) throw IoError("{}: cannot create: {}", path_, std::strerror(errno));
  }
  ~TextFile() {
    if (file_) std::fclose(file_);
  }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;

  std::string buffer;
  void flush_if_full() {
    if (buffer.size() > (size_t{1} << 20)) flush();
  }
  void close() {
    flush();
    if (std::fclose(std::exchange(file_, nullptr)) != 0) fail();
  }

 private:
  void flush() {
    if (std::fwrite(buffer.data(), 1, buffer.size(), file_) != buffer.size()) fail();
    buffer.clear();
  }
  [[noreturn]] void fail() { throw IoError("{}: cannot write: {}", path_, std::strerror(errno)); }
  std::string path_;
  std::FILE* file_;
};

struct Columns {
  bool time = false, rating = false;
};

Columns columns_of(const Dataset& dataset) {
  Columns columns;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    for (const int64_t time : dataset.timestamps(user)) columns.time |= time != 0;
    for (const float rating : dataset.ratings(user)) columns.rating |= !std::isnan(rating);
  }
  return columns;
}

std::string rating_text(float rating) {
  return std::isnan(rating) ? "" : fmt::format("{}", rating);
}

// Calls row(user id, item id, time, rating) for every interaction, users in dense order, each
// oldest first.
template <typename Row>
void each_interaction(const Dataset& dataset, TextFile& file, Row row) {
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    const auto items = dataset.items(user);
    const auto times = dataset.timestamps(user);
    const auto ratings = dataset.ratings(user);
    const std::string_view user_id = dataset.user_id(user);
    for (size_t i = 0; i < items.size(); ++i)
      row(user_id, dataset.item_id(items[i]), times[i], ratings[i]);
    file.flush_if_full();
  }
}

// Item text as the data set stores it, one object an item.
std::vector<Json> item_lines(const Dataset& dataset) {
  std::vector<Json> lines;
  TextSource text(dataset.folder() / "items.jsonl");
  for (; !text.peek_line().empty(); text.take_line())
    lines.push_back(
        parse_json(text.peek_line(), fmt::format("{}:{}", text.name(), text.line() + 1)));
  if (lines.size() != static_cast<size_t>(dataset.num_items()))
    throw FormatError("{}: found {} lines, expected {}", text.name(), lines.size(),
                      dataset.num_items());
  return lines;
}

// The other text fields, in order of first appearance.
std::vector<std::string> field_names(const std::vector<Json>& lines) {
  std::vector<std::string> names;
  for (const Json& line : lines) {
    for (const auto& [key, value] : line.items()) {
      if (key == "item" || key == "item_id" || key == "title") continue;
      if (std::find(names.begin(), names.end(), key) == names.end()) names.push_back(key);
    }
  }
  return names;
}

std::string field_of(const Json& line, const std::string& key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_string() ? found->get<std::string>() : "";
}

void write_jsonl(const Dataset& dataset, const fs::path& folder, Columns columns) {
  TextFile file(folder / "interactions.jsonl");
  each_interaction(dataset, file,
                   [&](std::string_view user, std::string_view item, int64_t time, float rating) {
                     Json line = {{"user", user}, {"item", item}};
                     if (columns.rating && !std::isnan(rating)) line["rating"] = rating;
                     if (columns.rating && std::isnan(rating)) line["rating"] = nullptr;
                     if (columns.time) line["timestamp"] = time;
                     file.buffer += line.dump() + '\n';
                   });
  file.close();
  TextFile items(folder / "items.jsonl");
  for (Json& line : item_lines(dataset)) {
    line.erase("item");
    items.buffer += line.dump() + '\n';
    items.flush_if_full();
  }
  items.close();
}

// CSV and RecBole differ in separator, quoting and header.
struct TableStyle {
  std::string interactions, items;
  std::string_view separator;
  bool typed = false;

  std::string field(std::string_view text) const {
    return typed ? std::string(text) : csv_field(text);
  }
  std::string name(std::string_view text, std::string_view type) const {
    return typed ? fmt::format("{}:{}", text, type) : csv_field(text);
  }
};

void write_tables(const Dataset& dataset, const fs::path& folder, Columns columns,
                  const TableStyle& style) {
  TextFile file(folder / style.interactions);
  file.buffer = style.name(style.typed ? "user_id" : "user", "token");
  file.buffer +=
      std::string(style.separator) + style.name(style.typed ? "item_id" : "item", "token");
  if (columns.rating) file.buffer += std::string(style.separator) + style.name("rating", "float");
  if (columns.time) file.buffer += std::string(style.separator) + style.name("timestamp", "float");
  file.buffer += '\n';
  each_interaction(dataset, file,
                   [&](std::string_view user, std::string_view item, int64_t time, float rating) {
                     file.buffer += style.field(user);
                     file.buffer += style.separator;
                     file.buffer += style.field(item);
                     if (columns.rating) (file.buffer += style.separator) += rating_text(rating);
                     if (columns.time) (file.buffer += style.separator) += std::to_string(time);
                     file.buffer += '\n';
                   });
  file.close();

  const std::vector<Json> lines = item_lines(dataset);
  const std::vector<std::string> names = field_names(lines);
  TextFile items(folder / style.items);
  items.buffer = style.name(style.typed ? "item_id" : "item", "token");
  items.buffer += std::string(style.separator) + style.name("title", "token_seq");
  for (const std::string& name : names)
    items.buffer += std::string(style.separator) + style.name(name, "token_seq");
  items.buffer += '\n';
  for (const Json& line : lines) {
    items.buffer += style.field(field_of(line, "item_id"));
    items.buffer += style.separator;
    items.buffer += style.field(field_of(line, "title"));
    for (const std::string& name : names)
      (items.buffer += style.separator) += style.field(field_of(line, name));
    items.buffer += '\n';
    items.flush_if_full();
  }
  items.close();
}

}  // namespace

const OutputKind kExportFolder = {
    .name = "an export",
    .recognises = [](const fs::path& folder) { return fs::exists(folder / kMarkFile); },
    .files = {kMarkFile, "*.inter", "*.item", "interactions.jsonl", "items.jsonl",
              "interactions.csv", "items.csv"}};

void export_dataset(const Dataset& dataset, ExportFormat format, const Output& output) {
  StagedFolder staged(output);
  const Columns columns = columns_of(dataset);
  if (format == ExportFormat::kJsonl) {
    write_jsonl(dataset, staged.path(), columns);
  } else if (format == ExportFormat::kCsv) {
    write_tables(dataset, staged.path(), columns, {"interactions.csv", "items.csv", ",", false});
  } else {
    // RecBole wants the files named as their folder.
    const std::string name = output.path().filename().string();
    write_tables(dataset, staged.path(), columns, {name + ".inter", name + ".item", "\t", true});
  }
  write_json(staged.path() / kMarkFile, {{"program", "tandem"},
                                         {"version", program_version()},
                                         {"dataset_fingerprint", dataset.fingerprint()}});
  staged.commit();
}

}  // namespace tandem
