// SPDX-License-Identifier: Apache-2.0
#include "formats/zip.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/error.h"

namespace tandem {
namespace {

// APPNOTE.TXT 4.3: signatures and fixed sizes of the records read here.
constexpr uint32_t kLocalSignature = 0x04034b50, kCentralSignature = 0x02014b50,
                   kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50,
                   kLocator64Signature = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                   kLocator64Bytes = 20;
constexpr uint64_t kMaxComment = 65535;
constexpr uint32_t kIn64 = 0xffffffff;  // the true value is in the zip64 extra field

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(where) {}

  uint64_t size() const { return bytes_.size(); }

  std::span<const std::byte> part(uint64_t offset, uint64_t size, std::string_view what) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset)
      throw FormatError("{}: zip {} at byte {} of {} bytes lies outside the file of {} bytes",
                        where_, what, offset, size, bytes_.size());
    return bytes_.subspan(offset, static_cast<size_t>(size));
  }

  // A little-endian number inside a part whose size the caller has checked.
  template <typename T>
  static T number(std::span<const std::byte> part, size_t offset) {
    T value{};
    std::memcpy(&value, part.data() + offset, sizeof value);
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& where_;
};

struct Directory {
  uint64_t offset, size, entries;
};

Directory find_directory(const Reader& reader, const std::string& where) {
  const uint64_t size = reader.size();
  if (size < kEndBytes)
    throw FormatError("{}: {} bytes is too short for a zip archive", where, size);
  const uint64_t last = size - kEndBytes;
  for (uint64_t back = 0; back <= std::min(last, kMaxComment); ++back) {
    const auto end = reader.part(last - back, kEndBytes, "end record");
    if (Reader::number<uint32_t>(end, 0) != kEndSignature ||
        Reader::number<uint16_t>(end, 20) != back)
      continue;
    Directory directory{Reader::number<uint32_t>(end, 16), Reader::number<uint32_t>(end, 12),
                        Reader::number<uint16_t>(end, 10)};
    const uint64_t end_offset = last - back;
    if (end_offset < kLocator64Bytes) return directory;
    const auto locator = reader.part(end_offset - kLocator64Bytes, kLocator64Bytes, "locator");
    if (Reader::number<uint32_t>(locator, 0) != kLocator64Signature) return directory;
    const auto end64 =
        reader.part(Reader::number<uint64_t>(locator, 8), kEnd64Bytes, "zip64 end record");
    if (Reader::number<uint32_t>(end64, 0) != kEnd64Signature)
      throw FormatError("{}: the zip64 end record is not where the locator says", where);
    return {Reader::number<uint64_t>(end64, 48), Reader::number<uint64_t>(end64, 40),
            Reader::number<uint64_t>(end64, 32)};
  }
  throw FormatError("{}: no zip directory at the end; truncated or not a zip archive", where);
}

// Fills in the values that a central record leaves to its zip64 extra field, in their fixed order.
void read_zip64(std::span<const std::byte> extra, std::span<uint64_t* const> values,
                const std::string& where) {
  if (std::none_of(values.begin(), values.end(),
                   [](const uint64_t* value) { return *value == kIn64; }))
    return;
  while (extra.size() >= 4) {
    const auto id = Reader::number<uint16_t>(extra, 0);
    const size_t size = Reader::number<uint16_t>(extra, 2);
    if (size > extra.size() - 4) break;
    std::span<const std::byte> field = extra.subspan(4, size);
    extra = extra.subspan(4 + size);
    if (id != 1) continue;
    for (uint64_t* value : values) {
      if (*value != kIn64) continue;
      if (field.size() < sizeof *value) throw FormatError("{}: a zip64 field is cut off", where);
      *value = Reader::number<uint64_t>(field, 0);
      field = field.subspan(sizeof *value);
    }
    return;
  }
}

}  // namespace

std::map<std::string, std::span<const std::byte>> read_stored_zip(std::span<const std::byte> file,
                                                                  const std::string& where) {
  const Reader reader(file, where);
  const Directory directory = find_directory(reader, where);
  std::span<const std::byte> records = reader.part(directory.offset, directory.size, "directory");
  std::map<std::string, std::span<const std::byte>> entries;
  for (uint64_t index = 0; index < directory.entries; ++index) {
    if (records.size() < kCentralBytes || Reader::number<uint32_t>(records, 0) != kCentralSignature)
      throw FormatError("{}: the zip directory is broken at entry {} of {}", where, index + 1,
                        directory.entries);
    const auto flags = Reader::number<uint16_t>(records, 8),
               method = Reader::number<uint16_t>(records, 10);
    uint64_t packed = Reader::number<uint32_t>(records, 20),
             size = Reader::number<uint32_t>(records, 24);
    uint64_t offset = Reader::number<uint32_t>(records, 42);
    const uint64_t name_bytes = Reader::number<uint16_t>(records, 28),
                   extra_bytes = Reader::number<uint16_t>(records, 30),
                   comment_bytes = Reader::number<uint16_t>(records, 32);
    if (name_bytes + extra_bytes + comment_bytes > records.size() - kCentralBytes)
      throw FormatError("{}: the zip directory is cut off at entry {}", where, index + 1);
    const std::string name(reinterpret_cast<const char*>(records.data()) + kCentralBytes,
                           name_bytes);
    uint64_t* const values[] = {&size, &packed, &offset};
    read_zip64(records.subspan(kCentralBytes + name_bytes, extra_bytes), values, where);
    records = records.subspan(kCentralBytes + name_bytes + extra_bytes + comment_bytes);

    if (method != 0 || (flags & 1) != 0 || packed != size)
      throw FormatError(
          "{}: zip entry '{}' is compressed or encrypted (method {}), expected stored", where, name,
          method);
    const auto local = reader.part(offset, kLocalBytes, "entry");
    if (Reader::number<uint32_t>(local, 0) != kLocalSignature)
      throw FormatError("{}: zip entry '{}' does not start where the directory says", where, name);
    // offset + kLocalBytes fits: the part above lies in the file.
    const uint64_t begin = offset + kLocalBytes + Reader::number<uint16_t>(local, 26) +
                           Reader::number<uint16_t>(local, 28);
    if (!entries.emplace(name, reader.part(begin, size, "content")).second)
      throw FormatError("{}: zip entry '{}' occurs twice", where, name);
  }
  return entries;
}

}  // namespace tandem
