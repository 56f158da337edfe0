// SPDX-License-Identifier: Apache-2.0
#include "models/item_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/json.h"
#include "formats/half.h"
#include "formats/tensor_spec.h"

namespace tandem {
namespace {

constexpr const char* kVectors = "vectors";
constexpr const char* kScales = "scales";
constexpr const char* kIds = "item_ids";
constexpr const char* kIdEnds = "item_id_ends";

struct StoredType {
  ItemMatrixType type;
  DType dtype;
  std::string_view name;
};
constexpr StoredType kTypes[] = {{ItemMatrixType::kFloat32, DType::kF32, "f32"},
                                 {ItemMatrixType::kBfloat16, DType::kBf16, "bf16"},
                                 {ItemMatrixType::kInt8, DType::kI8, "int8"}};

const StoredType& stored_type(ItemMatrixType type) { return kTypes[static_cast<size_t>(type)]; }

template <class T>
void put(T value, std::byte*& out) {
  std::memcpy(out, &value, sizeof(T));
  out += sizeof(T);
}

float largest_of(std::span<const float> row, int64_t index) {
  float largest = 0;
  for (const float x : row) {
    if (!std::isfinite(x)) throw DataError("item vector {} has a number that is {}", index, x);
    largest = std::max(largest, std::abs(x));
  }
  return largest;
}

const TensorView& tensor(const SafetensorsFile& file, const char* name, DType dtype,
                         const std::vector<int64_t>& shape) {
  const TensorView& view = file.at(name);
  if (view.dtype != dtype || view.shape != shape)
    throw FormatError("{}: tensor '{}' is {} {}, expected {} {}", file.path().string(), name,
                      dtype_name(view.dtype), format_shape(view.shape), dtype_name(dtype),
                      format_shape(shape));
  return view;
}

}  // namespace

ItemMatrixType parse_item_matrix_type(std::string_view name) {
  for (const StoredType& stored : kTypes)
    if (stored.name == name) return stored.type;
  throw UsageError("'{}' is no type of an item matrix, expected f32, bf16 or int8", name);
}

std::string_view item_matrix_type_name(ItemMatrixType type) { return stored_type(type).name; }

ItemRows encode_item_rows(std::span<const float> x, int64_t width, ItemMatrixType type) {
  const int64_t rows = std::ssize(x) / width;
  ItemRows encoded;
  encoded.vectors.resize(x.size() * static_cast<size_t>(dtype_bytes(stored_type(type).dtype)));
  std::byte* out = encoded.vectors.data();
  for (int64_t r = 0; r < rows; ++r) {
    const std::span<const float> row = x.subspan(r * width, width);
    const float largest = largest_of(row, r), scale = largest > 0 ? largest / 127 : 1;
    if (type == ItemMatrixType::kInt8) encoded.scales.push_back(scale);
    for (const float value : row) {
      if (type == ItemMatrixType::kFloat32) put(value, out);
      if (type == ItemMatrixType::kBfloat16) put(float_to_bf16(value), out);
      if (type == ItemMatrixType::kInt8)
        put(static_cast<int8_t>(std::clamp(std::nearbyint(value / scale), -127.0f, 127.0f)), out);
    }
  }
  return encoded;
}

ItemMatrix::ItemMatrix(const fs::path& path) : file_(path) {
  const std::string where = path.string();
  if (json_get_or<std::string>(file_.metadata(), "format", "", where) != kItemMatrixFormat)
    throw FormatError("{}: is no item matrix, its metadata lack \"format\": \"{}\"", where,
                      kItemMatrixFormat);
  facts_ = {.model = json_get<std::string>(file_.metadata(), "model", where),
            .texts = json_get<std::string>(file_.metadata(), "texts", where),
            .dataset = json_get<std::string>(file_.metadata(), "dataset", where)};
  vectors_ = file_.at(kVectors);
  const auto* stored = std::ranges::find(kTypes, vectors_.dtype, &StoredType::dtype);
  if (stored == std::end(kTypes) || vectors_.shape.size() != 2 || vectors_.shape[0] < 1 ||
      vectors_.shape[1] < 1)
    throw FormatError("{}: tensor '{}' is {} {}, expected F32, BF16 or I8 [items + 1, width]",
                      where, kVectors, dtype_name(vectors_.dtype), format_shape(vectors_.shape));
  type_ = stored->type;
  rows_ = vectors_.shape[0];
  width_ = vectors_.shape[1];
  if (type_ == ItemMatrixType::kInt8) scales_ = tensor(file_, kScales, DType::kF32, {rows_});
  id_ends_ = tensor(file_, kIdEnds, DType::kI64, {rows_ - 1}).as<int64_t>();
  const TensorView& ids = file_.at(kIds);
  tensor(file_, kIds, DType::kU8, {std::ssize(ids.bytes)});
  ids_ = {reinterpret_cast<const char*>(ids.bytes.data()), ids.bytes.size()};
  int64_t before = 0;
  for (const int64_t end : id_ends_) {
    if (end < before || end > std::ssize(ids_))
      throw FormatError("{}: tensor '{}' has {} after {}, of {} bytes", where, kIdEnds, end, before,
                        ids_.size());
    before = end;
  }
}

std::string_view ItemMatrix::item_id(int64_t row) const {
  const int64_t begin = row > 1 ? id_ends_[row - 2] : 0;
  return ids_.substr(begin, id_ends_[row - 1] - begin);
}

void ItemMatrix::read(int64_t row, float* out) const {
  switch (type_) {
    case ItemMatrixType::kFloat32:
      std::copy_n(vectors_.as<float>().data() + row * width_, width_, out);
      return;
    case ItemMatrixType::kBfloat16: {
      const uint16_t* from = vectors_.as<uint16_t>().data() + row * width_;
      for (int64_t d = 0; d < width_; ++d) out[d] = bf16_to_float(from[d]);
      return;
    }
    case ItemMatrixType::kInt8: {
      const auto* from = reinterpret_cast<const int8_t*>(vectors_.bytes.data()) + row * width_;
      const float scale = scales_.as<float>()[row];
      for (int64_t d = 0; d < width_; ++d) out[d] = scale * static_cast<float>(from[d]);
      return;
    }
  }
}

DType item_matrix_dtype(ItemMatrixType type) { return stored_type(type).dtype; }

JoinedIds::JoinedIds(std::span<const std::string_view> ids) {
  for (const std::string_view id : ids) {
    text += id;
    ends.push_back(std::ssize(text));
  }
}

void write_item_matrix(const fs::path& path, ItemMatrixType type, int64_t width,
                       std::span<const ItemRowsView> pieces, std::span<const std::string_view> ids,
                       const ItemMatrixFacts& facts) {
  const DType dtype = item_matrix_dtype(type);
  const int64_t rows = std::ssize(ids) + 1, row_bytes = width * dtype_bytes(dtype);
  TensorPieces vectors{{.name = kVectors, .dtype = dtype, .shape = {rows, width}}, {}};
  TensorPieces scales{{.name = kScales, .dtype = DType::kF32, .shape = {rows}}, {}};
  int64_t bytes = 0, num_scales = 0;
  for (const ItemRowsView& piece : pieces) {
    vectors.pieces.push_back(piece.vectors);
    scales.pieces.push_back(std::as_bytes(piece.scales));
    bytes += std::ssize(piece.vectors);
    num_scales += std::ssize(piece.scales);
  }
  const bool scaled = type == ItemMatrixType::kInt8;
  if (bytes != rows * row_bytes || num_scales != (scaled ? rows : 0))
    throw ShapeError("item matrix: {} bytes of vectors and {} scales for {} rows of {} bytes",
                     bytes, num_scales, rows, row_bytes);
  const JoinedIds joined(ids);
  std::vector<TensorPieces> tensors = {
      std::move(vectors),
      {{.name = kIds, .dtype = DType::kU8, .shape = {std::ssize(joined.text)}},
       {std::as_bytes(std::span(joined.text))}},
      {{.name = kIdEnds, .dtype = DType::kI64, .shape = {rows - 1}},
       {std::as_bytes(std::span(joined.ends))}}};
  if (scaled) tensors.push_back(std::move(scales));
  write_safetensors(path, tensors,
                    {{"format", kItemMatrixFormat},
                     {"model", facts.model},
                     {"texts", facts.texts},
                     {"dataset", facts.dataset}});
}

}  // namespace tandem
