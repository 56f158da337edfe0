// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "formats/safetensors.h"

namespace tandem {

// The item matrix of a run folder.
inline constexpr const char* kItemMatrixFile = "item_vectors.safetensors";
// What its metadata have for "format".
inline constexpr const char* kItemMatrixFormat = "tandem item matrix";

// How the vectors are stored: as they are, rounded to bfloat16, or as integers
// round(x / scale), scale = max |x| / 127 of the row.
enum class ItemMatrixType { kFloat32, kBfloat16, kInt8 };
ItemMatrixType parse_item_matrix_type(std::string_view name);  // f32, bf16, int8; UsageError
std::string_view item_matrix_type_name(ItemMatrixType type);

// What a matrix was made of.
struct ItemMatrixFacts {
  std::string model;    // HllmFiles::item_fingerprint()
  std::string texts;    // SHA-256 of the tokens of all items' texts, in the order of the rows
  std::string dataset;  // Dataset::fingerprint()
  bool operator==(const ItemMatrixFacts&) const = default;
};

// Rows of vectors with one more number each where they are integers: encoded piece by piece, so
// that pieces can be stored before the whole is there.
struct ItemRows {
  std::vector<std::byte> vectors;  // [rows, D] of the stored type
  std::vector<float> scales;       // [rows], int8 only
};
// x [rows, D] row-major. DataError for a number that is not finite, naming the row.
ItemRows encode_item_rows(std::span<const float> x, int64_t width, ItemMatrixType type);

// A catalogue's item vectors on the disk, mapped (docs/formats.md): row 0 is the vector of the
// empty text, which stands for padding, row i that of item i; with the items' outside ids and what
// made it. Safe to read concurrently.
class ItemMatrix {
 public:
  // Throws FormatError naming file and tensor, IoError.
  explicit ItemMatrix(const fs::path& path);

  const fs::path& path() const { return file_.path(); }
  int64_t rows() const { return rows_; }    // N + 1
  int64_t width() const { return width_; }  // D
  ItemMatrixType type() const { return type_; }
  const ItemMatrixFacts& facts() const { return facts_; }
  std::string_view item_id(int64_t row) const;  // row in 1..N
  void read(int64_t row, float* out) const;     // [D]

 private:
  SafetensorsFile file_;
  ItemMatrixType type_ = ItemMatrixType::kFloat32;
  ItemMatrixFacts facts_;
  int64_t rows_ = 0, width_ = 0;
  TensorView vectors_, scales_;
  std::span<const int64_t> id_ends_;
  std::string_view ids_;
};

// Where an ItemRows lies.
struct ItemRowsView {
  std::span<const std::byte> vectors = {};
  std::span<const float> scales = {};
};

// The type of the stored numbers.
DType item_matrix_dtype(ItemMatrixType type);

// Texts end to end, and where each ends: how ids are stored.
struct JoinedIds {
  std::string text;
  std::vector<int64_t> ends;

  explicit JoinedIds(std::span<const std::string_view> ids);
};

// Writes the file from encoded pieces, in the order of the rows, whole or not at all; they are not
// put together in memory. ids: of rows 1..N. ShapeError when they do not fit each other.
void write_item_matrix(const fs::path& path, ItemMatrixType type, int64_t width,
                       std::span<const ItemRowsView> pieces, std::span<const std::string_view> ids,
                       const ItemMatrixFacts& facts);

}  // namespace tandem
