// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/output.h"
#include "models/item_matrix.h"

namespace tandem {

// A file of vectors that write_vectors() wrote; never replaces another.
extern const OutputKind kVectorFile;

// Vectors of items or users for other programs, by the ending of the path:
//   .npy           float32 [rows, D] in the order of the ids
//   .safetensors   vectors [rows, D] of the type, with int8 scales [rows]; ids and id_ends as in an
//                  item matrix
//   .jsonl         {"id": "i7", "vector": [0.1, ...]} a line, float32
// Whole or not at all. UsageError for another ending, or a type that the form does not have.
void check_vector_file(const fs::path& path, ItemMatrixType type);
void write_vectors(const fs::path& path, ItemMatrixType type, std::span<const float> vectors,
                   int64_t width, std::span<const std::string_view> ids);

// Vectors with the ids of what they are of.
struct NamedVectors {
  int64_t width = 0;
  std::vector<float> values;  // [ids, width], finite
  std::vector<std::string> ids;
};
// A .safetensors or .jsonl file of write_vectors(), or an item matrix. UsageError for .npy, which
// has no ids, and for another ending; FormatError for a broken file or an id that stands twice.
NamedVectors read_vectors(const fs::path& path);

}  // namespace tandem
