// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/check.h"
#include "core/error.h"

namespace tandem {
namespace {

constexpr uint32_t kMostAxes = 4;
constexpr int64_t kDefaultAlignment = 32, kLargestAlignment = int64_t{1} << 20;

// Reads the tensor infos; every step checks what is left of the file.
class InfoReader {
 public:
  explicit InfoReader(const GgufMetadata& metadata)
      : where_(metadata.path().string()),
        bytes_(metadata.bytes()),
        at_(metadata.tensor_infos_begin()) {}

  size_t at() const { return at_; }
  template <typename T>
  T number() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const auto length = number<uint64_t>();
    need(length);
    std::string value(reinterpret_cast<const char*>(bytes_.data() + at_), length);
    at_ += length;
    return value;
  }

 private:
  void need(uint64_t count) const {
    if (count > bytes_.size() - at_)
      throw FormatError("{}: byte {}: a tensor's description reaches beyond the file's end at {}",
                        where_, at_, bytes_.size());
  }

  std::string where_;
  std::span<const std::byte> bytes_;
  size_t at_;
};

// A description, with the place of its data still relative to the data's begin.
struct Info {
  GgufTensor tensor;
  uint64_t offset = 0;
  int64_t bytes = 0;
};

Info read_info(InfoReader& reader, const std::string& file) {
  Info info;
  info.tensor.name = reader.text();
  const std::string where = fmt::format("{}: tensor '{}'", file, info.tensor.name);
  const auto axes = reader.number<uint32_t>();
  if (axes < 1 || axes > kMostAxes)
    throw FormatError("{}: {} axes, expected 1 to {}", where, axes, kMostAxes);
  int64_t count = 1;
  for (uint32_t i = 0; i < axes; ++i) {
    const auto size = reader.number<uint64_t>();
    if (size < 1 || size > static_cast<uint64_t>(INT64_MAX) ||
        __builtin_mul_overflow(count, static_cast<int64_t>(size), &count))
      throw FormatError("{}: axis {} has size {}, which is 0 or overflows", where, i, size);
    info.tensor.shape.push_back(static_cast<int64_t>(size));
  }
  std::reverse(info.tensor.shape.begin(), info.tensor.shape.end());
  const auto number = reader.number<uint32_t>();
  info.offset = reader.number<uint64_t>();
  const auto type = ggml_type_info(number);
  if (!type)
    throw FormatError(
        "{}: element type {} is not read; expected F32, F16, BF16, Q4_0 to Q8_0, "
        "Q2_K to Q6_K, IQ4_NL or IQ4_XS",
        where, number);
  info.tensor.type = type->type;
  if (info.tensor.columns() % type->block != 0)
    throw FormatError("{}: rows of {} elements, {} needs multiples of {}", where,
                      info.tensor.columns(), type->name, type->block);
  if (__builtin_mul_overflow(count / type->block, type->block_bytes, &info.bytes))
    throw FormatError("{}: the shape [{}] overflows", where, fmt::join(info.tensor.shape, ", "));
  return info;
}

int64_t read_alignment(const GgufMetadata& metadata) {
  const int64_t alignment = metadata.integer("general.alignment").value_or(kDefaultAlignment);
  if (alignment < 1 || alignment > kLargestAlignment ||
      !std::has_single_bit(static_cast<uint64_t>(alignment)))
    throw FormatError("{}: general.alignment is {}, expected a power of two up to {}",
                      metadata.path().string(), alignment, kLargestAlignment);
  return alignment;
}

}  // namespace

int64_t GgufTensor::count() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

void GgufTensor::dequantize_rows(int64_t begin, int64_t count_rows, float* out) const {
  const GgmlTypeInfo& info = ggml_type_info(type);
  const int64_t row_bytes = columns() / info.block * info.block_bytes;
  TANDEM_CHECK(begin >= 0 && count_rows >= 0 &&
                   static_cast<uint64_t>((begin + count_rows) * row_bytes) <= bytes.size(),
               "rows [{}, +{}) of '{}'", begin, count_rows, name);
  ggml_dequantize(
      type, bytes.subspan(begin * row_bytes, static_cast<size_t>(count_rows * row_bytes)), out);
}

GgufFile::GgufFile(const fs::path& path) : parts_(open_gguf_parts(path)) {
  for (const GgufMetadata& part : parts_) read_tensors(part);
}

void GgufFile::read_tensors(const GgufMetadata& part) {
  const std::string where = part.path().string();
  const int64_t alignment = read_alignment(part);
  InfoReader reader(part);
  std::vector<Info> infos;
  for (int64_t i = 0; i < part.num_tensors(); ++i) infos.push_back(read_info(reader, where));

  const uint64_t mask = static_cast<uint64_t>(alignment) - 1;
  const uint64_t begin = (reader.at() + mask) & ~mask, size = part.bytes().size();
  for (Info& info : infos) {
    if ((info.offset & mask) != 0)
      throw FormatError("{}: tensor '{}' begins at {} of the data, expected a multiple of {}",
                        where, info.tensor.name, info.offset, alignment);
    const auto bytes = static_cast<uint64_t>(info.bytes);
    if (begin > size || info.offset > size - begin || bytes > size - begin - info.offset)
      throw FormatError(
          "{}: tensor '{}' of {} bytes at {} of the data reaches beyond the file's "
          "end",
          where, info.tensor.name, bytes, info.offset);
    info.tensor.bytes = part.bytes().subspan(begin + info.offset, bytes);
    const std::string name = info.tensor.name;
    if (!tensors_.emplace(name, std::move(info.tensor)).second)
      throw FormatError("{}: tensor '{}' occurs twice", where, name);
  }
}

const GgufTensor& GgufFile::at(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw FormatError("{}: tensor '{}' is missing{}", path().string(), name,
                      parts_.size() > 1 ? fmt::format(" in all {} parts", parts_.size()) : "");
  return found->second;
}

const fs::path& GgufFile::file_of(std::string_view tensor) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) return path();
  const std::byte* at = found->second.bytes.data();
  for (const GgufMetadata& part : parts_)
    if (at >= part.bytes().data() && at < part.bytes().data() + part.bytes().size())
      return part.path();
  return path();
}

}  // namespace tandem
