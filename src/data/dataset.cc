// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <algorithm>
#include <cstring>

#include "core/json.h"
#include "data/dataset_files.h"

namespace tandem {

struct Dataset::State {
  explicit State(const fs::path& where)
      : folder(where),
        users(where / "users.bin"),
        item_table(where / "items.bin"),
        file(where / "interactions.bin") {}

  fs::path folder;
  StringTable users, item_table;
  MappedFile file;
  int64_t num_interactions = 0;
  const uint64_t* offsets = nullptr;
  const int64_t* timestamps = nullptr;
  const int32_t* items = nullptr;
  const float* ratings = nullptr;
  std::string fingerprint;

  // The user's rows as [first, last), checked against the file.
  std::pair<size_t, size_t> rows(int64_t user) const {
    if (user < 0 || user >= users.size())
      throw DataError("{}: user {} asked for, there are {}", folder.string(), user, users.size());
    const uint64_t first = offsets[user], last = offsets[user + 1];
    if (first > last || last > static_cast<uint64_t>(num_interactions))
      throw FormatError("{}: user {} has rows {}..{} of {}", file.path().string(), user, first,
                        last, num_interactions);
    return {first, last};
  }
};

namespace {

fs::path checked_folder(const fs::path& folder) {
  if (fs::exists(folder / "dataset.json")) return folder;
  if (!fs::exists(folder)) throw IoError("{}: no such data set folder", folder.string());
  throw FormatError(
      "{}: not a data set folder: dataset.json is missing (tandem data import makes one)",
      folder.string());
}

}  // namespace

Dataset Dataset::open(const fs::path& folder) {
  const Json json = read_json(checked_folder(folder) / "dataset.json");
  const std::string where = (folder / "dataset.json").string();
  if (json_get<std::string>(json, "format", where) != kDatasetFormat)
    throw FormatError("{}: format is '{}', expected '{}'", where,
                      json_get<std::string>(json, "format", where), kDatasetFormat);
  if (const int version = json_get<int>(json, "version", where); version != kDatasetVersion)
    throw FormatError("{}: version {}, expected {}", where, version, kDatasetVersion);

  auto state = std::make_unique<State>(folder);
  const std::string bin = state->file.path().string();
  InteractionsHeader header;
  if (state->file.size() < sizeof(header))
    throw FormatError("{}: {} bytes, expected at least {}", bin, state->file.size(),
                      sizeof(header));
  std::memcpy(&header, state->file.bytes().data(), sizeof(header));
  if (std::memcmp(header.magic, kInteractionsMagic, sizeof(header.magic)) != 0)
    throw FormatError("{}: expected it to begin with TNDMINT1", bin);
  // Bounds first, so that the products below cannot overflow.
  constexpr uint64_t kMost = uint64_t{1} << 56;
  const uint64_t users = header.num_users, rows = header.num_interactions;
  if (users > kMost || rows > kMost ||
      sizeof(header) + (users + 1) * 8 + rows * 16 != state->file.size())
    throw FormatError("{}: {} bytes, but its header says {} users and {} interactions", bin,
                      state->file.size(), users, rows);
  const auto expect = [&](std::string_view what, uint64_t found, uint64_t expected) {
    if (found != expected)
      throw FormatError("{}: {} is {} but interactions.bin has {}", folder.string(), what, found,
                        expected);
  };
  expect("num_users of dataset.json", json_get<uint64_t>(json, "num_users", where), users);
  expect("num_items of dataset.json", json_get<uint64_t>(json, "num_items", where),
         header.num_items);
  expect("num_interactions of dataset.json", json_get<uint64_t>(json, "num_interactions", where),
         rows);
  expect("the length of users.bin", static_cast<uint64_t>(state->users.size()), users);
  expect("the length of items.bin", static_cast<uint64_t>(state->item_table.size()),
         header.num_items);
  expect("the number of columns of items.bin", static_cast<uint64_t>(state->item_table.columns()),
         2);

  const std::byte* data = state->file.bytes().data() + sizeof(header);
  state->num_interactions = static_cast<int64_t>(rows);
  state->offsets = reinterpret_cast<const uint64_t*>(data);
  state->timestamps = reinterpret_cast<const int64_t*>(data + (users + 1) * 8);
  state->items = reinterpret_cast<const int32_t*>(state->timestamps + rows);
  state->ratings = reinterpret_cast<const float*>(state->items + rows);
  state->fingerprint = json_get<std::string>(json, "fingerprint", where);
  return Dataset(std::move(state));
}

Dataset::Dataset(std::unique_ptr<State> state) : state_(std::move(state)) {}
Dataset::~Dataset() = default;
Dataset::Dataset(Dataset&&) noexcept = default;
Dataset& Dataset::operator=(Dataset&&) noexcept = default;

int64_t Dataset::num_users() const { return state_->users.size(); }
int64_t Dataset::num_items() const { return state_->item_table.size(); }
int64_t Dataset::num_interactions() const { return state_->num_interactions; }

std::span<const int32_t> Dataset::items(int64_t user) const {
  const auto [first, last] = state_->rows(user);
  const std::span items(state_->items + first, last - first);
  // Callers index tables by these numbers, so a corrupt file must not get past here. Vectorised:
  // about 0.1 ns an item.
  const auto count = static_cast<uint32_t>(num_items());
  bool fits = true;
  for (const int32_t item : items) fits &= static_cast<uint32_t>(item) - 1 < count;
  if (!fits)
    throw FormatError("{}: user {} has an item outside 1..{}", state_->file.path().string(), user,
                      num_items());
  return items;
}

std::span<const int64_t> Dataset::timestamps(int64_t user) const {
  const auto [first, last] = state_->rows(user);
  return {state_->timestamps + first, last - first};
}

std::span<const float> Dataset::ratings(int64_t user) const {
  const auto [first, last] = state_->rows(user);
  return {state_->ratings + first, last - first};
}

std::string_view Dataset::user_id(int64_t user) const { return state_->users.at(0, user); }
std::string_view Dataset::item_id(int32_t item) const { return state_->item_table.at(0, item - 1); }

std::string_view Dataset::title(int32_t item) const {
  const std::string_view title = state_->item_table.at(1, item - 1);
  return title.empty() ? item_id(item) : title;
}

std::optional<int64_t> Dataset::find_user(std::string_view user_id) const {
  return state_->users.find(user_id);
}

std::optional<int32_t> Dataset::find_item(std::string_view item_id) const {
  const auto row = state_->item_table.find(item_id);
  if (!row) return std::nullopt;
  return static_cast<int32_t>(*row + 1);
}

const std::string& Dataset::fingerprint() const { return state_->fingerprint; }
const fs::path& Dataset::folder() const { return state_->folder; }

std::span<const int32_t> train_items(const Dataset& dataset, int64_t user) {
  const auto items = dataset.items(user);
  return items.size() < 3 ? items : items.first(items.size() - 2);
}

std::span<const int32_t> input_items(const Dataset& dataset, int64_t user, Split split) {
  const auto items = dataset.items(user);
  if (items.size() < 3) return items;
  return items.first(items.size() - (split == Split::kValid ? 2 : 1));
}

std::optional<int32_t> target_item(const Dataset& dataset, int64_t user, Split split) {
  const auto items = dataset.items(user);
  if (items.size() < 3) return std::nullopt;
  return items[items.size() - (split == Split::kValid ? 2 : 1)];
}

}  // namespace tandem
