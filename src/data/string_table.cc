// SPDX-License-Identifier: Apache-2.0
#include "data/string_table.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/error.h"

namespace tandem {
namespace {

constexpr char kMagic[8] = {'T', 'N', 'D', 'M', 'S', 'T', 'R', '1'};
constexpr size_t kMaxDigits = 18;  // the most that always fit into 64 bits

struct Header {
  char magic[8];
  uint32_t columns;
  uint32_t order;
  uint64_t count;
  uint64_t blob_bytes;
};

bool is_number(std::string_view id) {
  return !id.empty() && id.size() <= kMaxDigits &&
         std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Ids compare as their keys; equal keys, as their bytes.
uint64_t sort_key(std::string_view id, IdOrder order) {
  uint64_t key = 0;
  if (order == IdOrder::kNumeric) {
    for (const char c : id) key = key * 10 + static_cast<uint64_t>(c - '0');
  } else {
    for (size_t i = 0; i < 8; ++i)
      key = key << 8 | (i < id.size() ? static_cast<uint8_t>(id[i]) : 0);
  }
  return key;
}

}  // namespace

IdOrder id_order(std::span<const std::string_view> ids) {
  return std::all_of(ids.begin(), ids.end(), is_number) ? IdOrder::kNumeric : IdOrder::kBytes;
}

std::vector<int32_t> sort_ids(std::span<const std::string_view> ids, IdOrder order) {
  struct Entry {
    uint64_t key;
    int32_t index;
  };
  std::vector<Entry> entries(ids.size());
  for (size_t i = 0; i < ids.size(); ++i)
    entries[i] = {sort_key(ids[i], order), static_cast<int32_t>(i)};
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    if (a.key != b.key) return a.key < b.key;
    return ids[a.index] < ids[b.index];
  });
  std::vector<int32_t> result(ids.size());
  std::transform(entries.begin(), entries.end(), result.begin(),
                 [](const Entry& entry) { return entry.index; });
  return result;
}

StringTable::StringTable(const fs::path& path) : file_(path) {
  const std::string where = path.string();
  Header header;
  if (file_.size() < sizeof(header))
    throw FormatError("{}: {} bytes, expected a string table of at least {}", where, file_.size(),
                      sizeof(header));
  std::memcpy(&header, file_.bytes().data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0)
    throw FormatError("{}: not a string table (expected it to begin with TNDMSTR1)", where);
  if (header.columns == 0 || header.columns > 16 || header.order > 1 || header.count > INT32_MAX)
    throw FormatError("{}: header has {} columns, order {}, {} rows; expected 1..16, 0..1, 0..2^31",
                      where, header.columns, header.order, header.count);
  // At most 16 * 2^31 offsets of 8 bytes: no overflow.
  const uint64_t index_bytes = (header.columns * header.count + 1) * sizeof(uint64_t);
  const uint64_t rest = file_.size() - sizeof(header);
  if (index_bytes > rest || header.blob_bytes != rest - index_bytes)
    throw FormatError("{}: {} bytes, but its header says {} offsets and {} bytes of text", where,
                      file_.size(), header.columns * header.count + 1, header.blob_bytes);
  order_ = static_cast<IdOrder>(header.order);
  columns_ = header.columns;
  count_ = static_cast<int64_t>(header.count);
  blob_bytes_ = header.blob_bytes;
  offsets_ = reinterpret_cast<const uint64_t*>(file_.bytes().data() + sizeof(header));
  blob_ = reinterpret_cast<const char*>(offsets_) + index_bytes;
}

std::string_view StringTable::at(int64_t column, int64_t row) const {
  if (column < 0 || column >= columns_ || row < 0 || row >= count_)
    throw DataError("{}: row {} of column {} asked for, there are {} rows and {} columns",
                    file_.path().string(), row, column, count_, columns_);
  const uint64_t begin = offsets_[column * count_ + row], end = offsets_[column * count_ + row + 1];
  if (begin > end || end > blob_bytes_)
    throw FormatError("{}: row {} of column {} lies at bytes {}..{} of {}", file_.path().string(),
                      row, column, begin, end, blob_bytes_);
  return {blob_ + begin, end - begin};
}

std::optional<int64_t> StringTable::find(std::string_view id) const {
  if (order_ == IdOrder::kNumeric && !is_number(id)) return std::nullopt;
  const uint64_t key = sort_key(id, order_);
  int64_t low = 0, high = count_;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const std::string_view here = at(0, middle);
    if (here == id) return middle;
    const uint64_t here_key = sort_key(here, order_);
    if (here_key < key || (here_key == key && here < id)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::nullopt;
}

std::vector<char> StringTable::encode(std::span<const std::vector<std::string_view>> columns,
                                      IdOrder order) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.columns = static_cast<uint32_t>(columns.size());
  header.order = static_cast<uint32_t>(order);
  header.count = columns[0].size();
  std::vector<uint64_t> offsets{0};
  offsets.reserve(columns.size() * header.count + 1);
  for (const auto& column : columns) {
    for (const std::string_view text : column) offsets.push_back(offsets.back() + text.size());
  }
  header.blob_bytes = offsets.back();
  std::vector<char> bytes(sizeof(header) + offsets.size() * sizeof(uint64_t) + header.blob_bytes);
  char* out = bytes.data();
  std::memcpy(out, &header, sizeof(header));
  std::memcpy(out += sizeof(header), offsets.data(), offsets.size() * sizeof(uint64_t));
  out += offsets.size() * sizeof(uint64_t);
  for (const auto& column : columns) {
    for (const std::string_view text : column) out = std::copy(text.begin(), text.end(), out);
  }
  return bytes;
}

}  // namespace tandem
