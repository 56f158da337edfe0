// SPDX-License-Identifier: Apache-2.0
#include "data/dataset_files.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "core/sha256.h"

namespace tandem {
namespace {

// A file that is hashed while it is written.
class HashedFile {
 public:
  HashedFile(const fs::path& path, Sha256& hash)
      : path_(path.string()), hash_(hash), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) fail("cannot create");
  }
  ~HashedFile() {
    if (file_) std::fclose(file_);
  }
  HashedFile(const HashedFile&) = delete;
  HashedFile& operator=(const HashedFile&) = delete;

  template <typename T>
  void write(std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    if (bytes.empty()) return;
    hash_.add(bytes);
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail("cannot write");
  }
  void close() {
    if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) fail("cannot write");
    if (std::fclose(std::exchange(file_, nullptr)) != 0) fail("cannot close");
  }

 private:
  [[noreturn]] void fail(const char* what) {
    throw IoError("{}: {}: {}", path_, what, std::strerror(errno));
  }
  std::string path_;
  Sha256& hash_;
  std::FILE* file_;
};

void write_string_table(const fs::path& path, Sha256& hash,
                        std::span<const std::vector<std::string_view>> columns, IdOrder order) {
  const std::vector<char> bytes = StringTable::encode(columns, order);
  HashedFile file(path, hash);
  file.write(std::span(bytes));
  file.close();
}

void write_items_jsonl(const fs::path& path, Sha256& hash, const DenseLog& log) {
  HashedFile file(path, hash);
  std::string buffer;
  for (size_t i = 0; i < log.item_ids.size(); ++i) {
    Json line = {{"item", i + 1}, {"item_id", log.item_ids[i]}, {"title", log.titles[i]}};
    if (!log.item_fields.empty()) line.update(log.item_fields[i]);
    buffer += line.dump() + '\n';
    if (buffer.size() > (1 << 20)) {
      file.write(std::span<const char>(buffer));
      buffer.clear();
    }
  }
  file.write(std::span<const char>(buffer));
  file.close();
}

}  // namespace

const OutputKind kDatasetFolder = {
    .name = "a data set",
    .recognises =
        [](const fs::path& folder) {
          return json_file_has(folder / "dataset.json", "format", kDatasetFormat);
        },
    .files = {"dataset.json", "users.bin", "items.bin", "items.jsonl", "interactions.bin",
              "reviews.jsonl"}};

std::string write_dataset_files(const fs::path& folder, const DenseLog& log, const Json& about) {
  Sha256 hash;
  const std::vector<std::string_view> user_columns[] = {log.user_ids};
  write_string_table(folder / "users.bin", hash, user_columns, log.user_order);
  const std::vector<std::string_view> item_columns[] = {log.item_ids, log.titles};
  write_string_table(folder / "items.bin", hash, item_columns, log.item_order);

  InteractionsHeader header{};
  std::memcpy(header.magic, kInteractionsMagic, sizeof(header.magic));
  header.num_users = log.user_ids.size();
  header.num_items = log.item_ids.size();
  header.num_interactions = log.items.size();
  HashedFile file(folder / "interactions.bin", hash);
  file.write(std::span<const InteractionsHeader>(&header, 1));
  file.write(std::span(log.offsets));
  file.write(std::span(log.timestamps));
  file.write(std::span(log.items));
  file.write(std::span(log.ratings));
  file.close();
  write_items_jsonl(folder / "items.jsonl", hash, log);

  std::string fingerprint = hash.hex();
  Json json = {{"format", kDatasetFormat},
               {"version", kDatasetVersion},
               {"num_users", header.num_users},
               {"num_items", header.num_items},
               {"num_interactions", header.num_interactions}};
  json.update(about);
  json["fingerprint"] = fingerprint;
  write_json(folder / "dataset.json", json);
  return fingerprint;
}

}  // namespace tandem
