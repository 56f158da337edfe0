// SPDX-License-Identifier: Apache-2.0
#include "offline/vector_file.h"

#include <fmt/format.h>

#include <bit>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "formats/safetensors.h"

namespace tandem {
namespace {

constexpr const char* kFormatValue = "tandem vectors";
constexpr std::string_view kNpyMagic("\x93NUMPY\x01\x00", 8);

// By content: the magic number of npy, our metadata, or a first line with the two keys.
bool is_vector_file(const fs::path& path) {
  try {
    if (!fs::is_regular_file(path)) return false;
    if (path.extension() == ".safetensors")
      return SafetensorsFile(path).metadata().value("format", "") == kFormatValue;
    std::string line;
    std::getline(std::ifstream(path), line);
    if (path.extension() == ".npy") return line.starts_with(kNpyMagic);
    const Json first = parse_json(line, path.string());
    return first.size() == 2 && first.contains("id") && first.contains("vector");
  } catch (const std::exception&) {
    return false;
  }
}

void write_npy(const fs::path& path, std::span<const float> vectors, int64_t width) {
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
                  std::ssize(vectors) / width, width);
  // Magic number, two bytes of length, header and its line end are a multiple of 64.
  header.append(63 - (kNpyMagic.size() + 2 + header.size()) % 64, ' ');
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  const std::span<const std::byte> pieces[] = {
      std::as_bytes(std::span(kNpyMagic)), std::as_bytes(std::span(&length, 1)),
      std::as_bytes(std::span(header)), std::as_bytes(vectors)};
  write_file(path, pieces);
}

void write_jsonl(const fs::path& path, std::span<const float> vectors, int64_t width,
                 std::span<const std::string_view> ids) {
  std::string text;
  for (int64_t r = 0; r < std::ssize(ids); ++r) {
    text += fmt::format("{{\"id\":{},\"vector\":[", Json(ids[r]).dump());
    for (int64_t d = 0; d < width; ++d)
      text += fmt::format("{}{}", d == 0 ? "" : ",", vectors[r * width + d]);
    text += "]}\n";
  }
  write_file(path, text);
}

void write_tensors(const fs::path& path, ItemMatrixType type, std::span<const float> vectors,
                   int64_t width, std::span<const std::string_view> ids) {
  const ItemRows rows = encode_item_rows(vectors, width, type);
  const JoinedIds joined(ids);
  std::vector<TensorView> tensors = {
      {"vectors", item_matrix_dtype(type), {std::ssize(ids), width}, rows.vectors},
      {"ids", DType::kU8, {std::ssize(joined.text)}, std::as_bytes(std::span(joined.text))},
      {"id_ends", DType::kI64, {std::ssize(joined.ends)}, std::as_bytes(std::span(joined.ends))}};
  if (!rows.scales.empty())
    tensors.push_back(
        {"scales", DType::kF32, {std::ssize(ids)}, std::as_bytes(std::span(rows.scales))});
  write_safetensors(path, tensors, {{"format", kFormatValue}});
}

}  // namespace

const OutputKind kVectorFile{.name = "a file of vectors", .recognises = is_vector_file};

void check_vector_file(const fs::path& path, ItemMatrixType type) {
  const fs::path ending = path.extension();
  if (ending == ".safetensors") return;
  if (ending != ".npy" && ending != ".jsonl")
    throw UsageError("{}: expected a name that ends in .npy, .safetensors or .jsonl",
                     path.string());
  if (type != ItemMatrixType::kFloat32)
    throw UsageError("{}: {} has no {}, only .safetensors does", path.string(), ending.string(),
                     item_matrix_type_name(type));
}

void write_vectors(const fs::path& path, ItemMatrixType type, std::span<const float> vectors,
                   int64_t width, std::span<const std::string_view> ids) {
  check_vector_file(path, type);
  if (path.extension() == ".npy") return write_npy(path, vectors, width);
  if (path.extension() == ".jsonl") return write_jsonl(path, vectors, width, ids);
  write_tensors(path, type, vectors, width, ids);
}

}  // namespace tandem
