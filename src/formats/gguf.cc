// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf.h"

#include <cstring>
#include <fstream>

#include "core/error.h"

namespace tandem {
namespace {

// Value types of the format, and their sizes; strings and arrays have none of their own.
enum Type : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
  kNumTypes
};
constexpr size_t kSizes[kNumTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

double load_number(uint32_t type, const std::byte* at) {
  switch (type) {
    case kU8:
    case kBool:
      return load<uint8_t>(at);
    case kI8:
      return load<int8_t>(at);
    case kU16:
      return load<uint16_t>(at);
    case kI16:
      return load<int16_t>(at);
    case kU32:
      return load<uint32_t>(at);
    case kI32:
      return load<int32_t>(at);
    case kF32:
      return static_cast<double>(load<float>(at));
    case kU64:
      return static_cast<double>(load<uint64_t>(at));
    case kI64:
      return static_cast<double>(load<int64_t>(at));
    default:
      return load<double>(at);
  }
}

}  // namespace

bool is_gguf_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  char begin[4] = {};
  std::ifstream(path, std::ios::binary).read(begin, sizeof begin);
  return std::string_view(begin, sizeof begin) == "GGUF";
}

// Walks the file; every step checks what is left.
class GgufMetadata::Reader {
 public:
  explicit Reader(const MappedFile& file, size_t at = 0) : file_(file), at_(at) {}

  size_t at() const { return at_; }
  template <typename T>
  T number() {
    need(sizeof(T));
    const T value = load<T>(file_.bytes().data() + at_);
    at_ += sizeof(T);
    return value;
  }
  std::string_view text() {
    const auto length = number<uint64_t>();
    need(length);
    const std::string_view value = file_.text().substr(at_, length);
    at_ += length;
    return value;
  }
  void skip(uint32_t type, uint64_t count) {
    if (type == kString) {
      if (count > left() / 8) too_short();
      for (uint64_t i = 0; i < count; ++i) text();
    } else {
      if (type >= kNumTypes || kSizes[type] == 0) {
        throw FormatError("{}: byte {}: value type {} is not supported", file_.path().string(), at_,
                          type);
      }
      if (count > left() / kSizes[type]) too_short();
      at_ += count * kSizes[type];
    }
  }

 private:
  size_t left() const { return file_.size() - at_; }
  void need(uint64_t bytes) {
    if (bytes > left()) too_short();
  }
  [[noreturn]] void too_short() const {
    throw FormatError("{}: byte {}: a value reaches beyond the file's end at {}",
                      file_.path().string(), at_, file_.size());
  }

  const MappedFile& file_;
  size_t at_;
};

GgufMetadata::GgufMetadata(const fs::path& path) : file_(path) {
  Reader reader(file_);
  if (!file_.text().starts_with("GGUF"))
    throw FormatError("{}: does not begin with GGUF", path.string());
  reader.number<uint32_t>();
  const auto version = reader.number<uint32_t>();
  if (version < 2 || version > 3) {
    throw FormatError("{}: GGUF version {}, expected 2 or 3", path.string(), version);
  }
  const auto num_tensors = reader.number<uint64_t>();
  const auto num_values = reader.number<uint64_t>();
  // A tensor takes at least 24 bytes in the file, a value 13.
  if (num_tensors > file_.size() / 24 || num_values > file_.size() / 13) {
    throw FormatError("{}: {} tensors and {} values do not fit a file of {} bytes", path.string(),
                      num_tensors, num_values, file_.size());
  }
  num_tensors_ = static_cast<int64_t>(num_tensors);
  for (uint64_t i = 0; i < num_values; ++i) {
    const std::string key(reader.text());
    Value value;
    value.type = reader.number<uint32_t>();
    if (value.type == kArray) {
      value.is_array = true;
      value.type = reader.number<uint32_t>();
      value.count = reader.number<uint64_t>();
    }
    value.begin = reader.at();
    reader.skip(value.type, value.count);
    if (!values_.emplace(key, value).second)
      throw FormatError("{}: key '{}' occurs twice", path.string(), key);
  }
  end_ = reader.at();
}

const GgufMetadata::Value* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

const GgufMetadata::Value& GgufMetadata::get(std::string_view key) const {
  const Value* value = find(key);
  if (!value) throw FormatError("{}: key '{}' is missing", path().string(), key);
  return *value;
}

std::string_view GgufMetadata::text(std::string_view key) const {
  const Value& value = get(key);
  if (value.is_array || value.type != kString)
    throw FormatError("{}: key '{}' is not a text", path().string(), key);
  return Reader(file_, value.begin).text();
}

std::vector<std::string_view> GgufMetadata::texts(std::string_view key) const {
  const Value& value = get(key);
  if (!value.is_array || value.type != kString) {
    throw FormatError("{}: key '{}' is not a list of texts", path().string(), key);
  }
  std::vector<std::string_view> result;
  result.reserve(value.count);
  Reader reader(file_, value.begin);
  for (uint64_t i = 0; i < value.count; ++i) result.push_back(reader.text());
  return result;
}

std::vector<double> GgufMetadata::numbers(std::string_view key) const {
  const Value& value = get(key);
  if (!value.is_array || value.type == kString) {
    throw FormatError("{}: key '{}' is not a list of numbers", path().string(), key);
  }
  std::vector<double> result;
  result.reserve(value.count);
  const std::byte* at = file_.bytes().data() + value.begin;
  for (uint64_t i = 0; i < value.count; ++i, at += kSizes[value.type])
    result.push_back(load_number(value.type, at));
  return result;
}

std::optional<int64_t> GgufMetadata::integer(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  if (value->is_array || value->type == kString || value->type == kF32 || value->type == kF64) {
    throw FormatError("{}: key '{}' is not an integer", path().string(), key);
  }
  const std::byte* at = file_.bytes().data() + value->begin;
  if (value->type == kI64 || value->type == kU64) return load<int64_t>(at);
  return static_cast<int64_t>(load_number(value->type, at));
}

std::optional<double> GgufMetadata::number(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  if (value->is_array || value->type == kString)
    throw FormatError("{}: key '{}' is not a number", path().string(), key);
  return load_number(value->type, file_.bytes().data() + value->begin);
}

std::optional<bool> GgufMetadata::flag(std::string_view key) const {
  const auto value = integer(key);
  return value ? std::optional(*value != 0) : std::nullopt;
}

}  // namespace tandem
