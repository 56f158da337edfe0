// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <optional>
#include <set>

#include "core/check.h"

namespace tandem {
namespace {

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  int64_t bytes;
};

constexpr std::array kDTypes = {
    DTypeInfo{DType::kF64, "F64", 8}, DTypeInfo{DType::kF32, "F32", 4},
    DTypeInfo{DType::kF16, "F16", 2}, DTypeInfo{DType::kBf16, "BF16", 2},
    DTypeInfo{DType::kI64, "I64", 8}, DTypeInfo{DType::kI32, "I32", 4},
    DTypeInfo{DType::kI16, "I16", 2}, DTypeInfo{DType::kI8, "I8", 1},
    DTypeInfo{DType::kU8, "U8", 1},   DTypeInfo{DType::kBool, "BOOL", 1},
};

// What other readers of the format refuse as well; a real header of 100 MB would name a million
// tensors.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

const DTypeInfo& info(DType dtype) {
  const auto found = std::find_if(kDTypes.begin(), kDTypes.end(),
                                  [&](const DTypeInfo& entry) { return entry.dtype == dtype; });
  TANDEM_CHECK(found != kDTypes.end(), "dtype {}", static_cast<int>(dtype));
  return *found;
}

// Elements of a shape, or nothing when a size is negative or the product does not fit.
std::optional<int64_t> checked_count(std::span<const int64_t> shape) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) return std::nullopt;
  }
  return count;
}

std::optional<int64_t> checked_bytes(std::span<const int64_t> shape, DType dtype) {
  const std::optional<int64_t> count = checked_count(shape);
  int64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, dtype_bytes(dtype), &bytes)) return std::nullopt;
  return bytes;
}

// The header as JSON. A key that occurs twice in one object is refused: which of the two counts
// would depend on the reader.
Json parse_header(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;  // one set for each open object
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > 8) throw FormatError("{}: the header is nested too deeply", where);
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(value.get_ref<const std::string&>()).second)
      throw FormatError("{}: the header names '{}' twice", where,
                        value.get_ref<const std::string&>());
    return true;
  };
  try {
    Json header = Json::parse(text, watch);
    if (!header.is_object()) throw FormatError("{}: the header is not a JSON object", where);
    return header;
  } catch (const nlohmann::json::exception& error) {
    throw FormatError("{}: the header is not valid JSON: {}", where, error.what());
  }
}

std::vector<int64_t> sizes(const Json& entry, std::string_view key, const std::string& where) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array())
    throw FormatError("{}: '{}' is missing or not a list", where, key);
  std::vector<int64_t> values;
  for (const Json& value : *found) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX})
      throw FormatError("{}: '{}' holds {}, expected whole numbers from 0", where, key,
                        value.dump().substr(0, 40));
    values.push_back(static_cast<int64_t>(value.get<uint64_t>()));
  }
  return values;
}

TensorView read_tensor(const std::string& name, const Json& entry, std::span<const std::byte> data,
                       const std::string& where) {
  if (!entry.is_object()) throw FormatError("{}: not a JSON object", where);
  TensorView tensor{.name = name, .shape = sizes(entry, "shape", where)};
  const auto dtype = json_get<std::string>(entry, "dtype", where);
  const auto known = std::find_if(kDTypes.begin(), kDTypes.end(), [&](const DTypeInfo& candidate) {
    return candidate.name == dtype;
  });
  if (known != kDTypes.end()) {
    tensor.dtype = known->dtype;
  } else if (dtype == "C64") {
    tensor.shape.push_back(2);
  } else {
    throw FormatError("{}: dtype '{}' is not supported", where, dtype);
  }
  const std::optional<int64_t> expected = checked_bytes(tensor.shape, tensor.dtype);
  if (!expected)
    throw FormatError("{}: the shape [{}] overflows", where, fmt::join(tensor.shape, ", "));

  const std::vector<int64_t> offsets = sizes(entry, "data_offsets", where);
  if (offsets.size() != 2 || offsets[0] > offsets[1] ||
      static_cast<uint64_t>(offsets[1]) > data.size())
    throw FormatError("{}: data_offsets [{}] do not lie in the {} bytes of data", where,
                      fmt::join(offsets, ", "), data.size());
  if (offsets[1] - offsets[0] != *expected)
    throw FormatError("{}: data_offsets span {} bytes, shape [{}] of {} needs {}", where,
                      offsets[1] - offsets[0], fmt::join(tensor.shape, ", "), dtype, *expected);
  tensor.bytes = data.subspan(offsets[0], static_cast<size_t>(*expected));
  return tensor;
}

// Every byte of the data belongs to exactly one tensor.
void check_coverage(const std::map<std::string, TensorView>& tensors,
                    std::span<const std::byte> data, const std::string& where) {
  std::vector<const TensorView*> by_offset;
  for (const auto& [name, tensor] : tensors) by_offset.push_back(&tensor);
  // An empty tensor at a border sorts before the full one that starts there.
  std::sort(by_offset.begin(), by_offset.end(), [](const TensorView* a, const TensorView* b) {
    return std::pair(a->bytes.data(), a->bytes.size()) <
           std::pair(b->bytes.data(), b->bytes.size());
  });
  const std::byte* covered = data.data();
  for (const TensorView* tensor : by_offset) {
    if (tensor->bytes.data() != covered)
      throw FormatError("{}: tensor '{}' starts at byte {} of the data, expected {} ({})", where,
                        tensor->name, tensor->bytes.data() - data.data(), covered - data.data(),
                        tensor->bytes.data() < covered ? "tensors overlap" : "a gap");
    covered += tensor->bytes.size();
  }
  if (covered != data.data() + data.size())
    throw FormatError("{}: {} bytes of data belong to no tensor", where,
                      data.data() + data.size() - covered);
}

template <typename T>
bool holds(DType dtype) {
  if constexpr (std::is_same_v<T, double>) return dtype == DType::kF64;
  if constexpr (std::is_same_v<T, float>) return dtype == DType::kF32;
  if constexpr (std::is_same_v<T, uint16_t>) return dtype == DType::kF16 || dtype == DType::kBf16;
  if constexpr (std::is_same_v<T, int64_t>) return dtype == DType::kI64;
  if constexpr (std::is_same_v<T, int32_t>) return dtype == DType::kI32;
  if constexpr (std::is_same_v<T, int16_t>) return dtype == DType::kI16;
  if constexpr (std::is_same_v<T, int8_t>) return dtype == DType::kI8;
  if constexpr (std::is_same_v<T, uint8_t>) return dtype == DType::kU8 || dtype == DType::kBool;
}

}  // namespace

int64_t dtype_bytes(DType dtype) { return info(dtype).bytes; }
std::string_view dtype_name(DType dtype) { return info(dtype).name; }

int64_t TensorView::count() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

template <typename T>
std::span<const T> TensorView::as() const {
  if (!holds<T>(dtype))
    throw FormatError("tensor '{}' has dtype {}, which is not what its user expects", name,
                      dtype_name(dtype));
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(T) != 0)
    throw FormatError("tensor '{}' is not aligned to {} bytes in its file", name, alignof(T));
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

template std::span<const double> TensorView::as() const;
template std::span<const float> TensorView::as() const;
template std::span<const uint16_t> TensorView::as() const;
template std::span<const int64_t> TensorView::as() const;
template std::span<const int32_t> TensorView::as() const;
template std::span<const int16_t> TensorView::as() const;
template std::span<const int8_t> TensorView::as() const;
template std::span<const uint8_t> TensorView::as() const;

SafetensorsFile::SafetensorsFile(const fs::path& path) : file_(path) {
  const std::string where = path.string();
  const std::span<const std::byte> bytes = file_.bytes();
  uint64_t header_bytes = 0;
  if (file_.text().starts_with("version https://git-lfs"))
    throw FormatError("{}: is a Git LFS pointer, not the file itself; `git lfs pull` fetches it",
                      where);
  if (bytes.size() < sizeof header_bytes)
    throw FormatError("{}: {} bytes is too short for a safetensors file", where, bytes.size());
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  if (header_bytes > bytes.size() - sizeof header_bytes || header_bytes > kMaxHeaderBytes)
    throw FormatError(
        "{}: the header claims {} bytes, the file has {}; truncated or not safetensors", where,
        header_bytes, bytes.size());
  const std::string_view text =
      file_.text().substr(sizeof header_bytes, static_cast<size_t>(header_bytes));
  const std::span<const std::byte> data =
      bytes.subspan(sizeof header_bytes + static_cast<size_t>(header_bytes));

  const Json header = parse_header(text, where);
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      const bool strings =
          entry.is_object() &&
          std::all_of(entry.begin(), entry.end(), [](const Json& v) { return v.is_string(); });
      if (!strings) throw FormatError("{}: __metadata__ is not a map of strings", where);
      metadata_ = entry;
    } else {
      tensors_.emplace(name,
                       read_tensor(name, entry, data, fmt::format("{}: tensor '{}'", where, name)));
    }
  }
  check_coverage(tensors_, data, where);
}

const TensorView& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw FormatError("{}: tensor '{}' is missing", path().string(), name);
  return found->second;
}

void write_safetensors(const fs::path& path, std::span<const TensorView> tensors,
                       const Json& metadata) {
  std::vector<TensorPieces> whole;
  whole.reserve(tensors.size());
  for (const TensorView& tensor : tensors) whole.push_back({tensor, {tensor.bytes}});
  write_safetensors(path, whole, metadata);
}

void write_safetensors(const fs::path& path, std::span<const TensorPieces> tensors,
                       const Json& metadata) {
  std::vector<uint64_t> sizes;
  for (const auto& [tensor, pieces] : tensors) {
    uint64_t size = 0;
    for (const std::span<const std::byte> piece : pieces) size += piece.size();
    sizes.push_back(size);
    const std::optional<int64_t> expected = checked_bytes(tensor.shape, tensor.dtype);
    if (!expected || static_cast<uint64_t>(*expected) != size)
      throw FormatError("{}: tensor '{}' has {} bytes, which do not fit shape [{}] of {}",
                        path.string(), tensor.name, size, fmt::join(tensor.shape, ", "),
                        dtype_name(tensor.dtype));
  }
  std::vector<size_t> layout(tensors.size());
  std::iota(layout.begin(), layout.end(), size_t{0});
  std::stable_sort(layout.begin(), layout.end(), [&](size_t a, size_t b) {
    return dtype_bytes(tensors[a].tensor.dtype) > dtype_bytes(tensors[b].tensor.dtype);
  });
  std::vector<uint64_t> begin(tensors.size());
  uint64_t end = 0;
  for (const size_t index : layout) {
    begin[index] = end;
    end += sizes[index];
  }

  // Entries are joined by hand: the JSON object looks a key up by a walk, which is slow for
  // thousands.
  std::set<std::string_view> names;
  std::string header = "{";
  if (!metadata.empty()) header += fmt::format("\"{}\":{},", kMetadataKey, metadata.dump());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& tensor = tensors[i].tensor;
    if (tensor.name == kMetadataKey || !names.insert(tensor.name).second)
      throw FormatError("{}: tensor name '{}' occurs twice", path.string(), tensor.name);
    header += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}},",
                          Json(tensor.name).dump(), dtype_name(tensor.dtype),
                          fmt::join(tensor.shape, ","), begin[i], begin[i] + sizes[i]);
  }
  if (header.back() == ',') header.pop_back();
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');

  const uint64_t header_bytes = header.size();
  std::vector<std::span<const std::byte>> pieces = {std::as_bytes(std::span(&header_bytes, 1)),
                                                    std::as_bytes(std::span(header))};
  for (const size_t index : layout)
    pieces.insert(pieces.end(), tensors[index].pieces.begin(), tensors[index].pieces.end());
  write_file(path, pieces);
}

}  // namespace tandem
