// SPDX-License-Identifier: Apache-2.0
#include "offline/vector_file.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "data/text_source.h"
#include "formats/safetensors.h"
#include "formats/stored_tensor.h"
#include "formats/tensor_spec.h"

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

NamedVectors read_matrix(const fs::path& path) {
  const ItemMatrix matrix(path);
  NamedVectors result{.width = matrix.width(), .values = {}, .ids = {}};
  result.values.resize(static_cast<size_t>((matrix.rows() - 1) * matrix.width()));
  for (int64_t row = 1; row < matrix.rows(); ++row) {
    matrix.read(row, result.values.data() + (row - 1) * matrix.width());
    result.ids.emplace_back(matrix.item_id(row));
  }
  return result;
}

// The file that write_tensors() wrote.
NamedVectors read_tensors(const SafetensorsFile& file) {
  const std::string where = file.path().string();
  const TensorView &vectors = file.at("vectors"), &joined = file.at("ids");
  const std::span<const int64_t> ends = file.at("id_ends").as<int64_t>();
  const int64_t rows = std::ssize(ends);
  if (vectors.shape.size() != 2 || vectors.shape[0] != rows || vectors.shape[1] < 1)
    throw FormatError("{}: tensor 'vectors' has shape {}, expected [{}, width]", where,
                      format_shape(vectors.shape), rows);
  NamedVectors result{.width = vectors.shape[1], .values = {}, .ids = {}};
  if (vectors.dtype == DType::kI8) {
    const std::span<const float> scales = file.at("scales").as<float>();
    if (std::ssize(scales) != rows)
      throw FormatError("{}: {} scales for {} vectors", where, scales.size(), rows);
    const std::span<const int8_t> numbers = vectors.as<int8_t>();
    for (size_t i = 0; i < numbers.size(); ++i)
      result.values.push_back(scales[i / static_cast<size_t>(result.width)] *
                              static_cast<float>(numbers[i]));
  } else {
    result.values = StoredTensor(vectors).read();
  }
  const std::string_view text(reinterpret_cast<const char*>(joined.bytes.data()),
                              joined.bytes.size());
  int64_t before = 0;
  for (const int64_t end : ends) {
    if (end < before || end > std::ssize(text))
      throw FormatError("{}: tensor 'id_ends' has {} after {}, of {} bytes", where, end, before,
                        text.size());
    result.ids.emplace_back(text.substr(before, end - before));
    before = end;
  }
  return result;
}

NamedVectors read_safetensors(const fs::path& path) {
  const SafetensorsFile file(path);
  const auto format = json_get_or<std::string>(file.metadata(), "format", "", path.string());
  if (format == kFormatValue) return read_tensors(file);
  if (format == kItemMatrixFormat) return read_matrix(path);
  throw FormatError("{}: its \"format\" is '{}', expected '{}' or '{}'", path.string(), format,
                    kFormatValue, kItemMatrixFormat);
}

NamedVectors read_jsonl(const fs::path& path) {
  NamedVectors result;
  TextSource source(path);
  for (; !source.peek_line().empty(); source.take_line()) {
    const std::string where = fmt::format("{}:{}", source.name(), source.line() + 1);
    const Json line = parse_json(source.peek_line(), where);
    const auto vector = json_get<std::vector<float>>(line, "vector", where);
    if (result.ids.empty()) result.width = std::ssize(vector);
    if (vector.empty() || std::ssize(vector) != result.width)
      throw FormatError("{}: a vector of {} numbers, expected {}", where, vector.size(),
                        result.width);
    result.values.insert(result.values.end(), vector.begin(), vector.end());
    result.ids.push_back(json_get<std::string>(line, "id", where));
  }
  return result;
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

NamedVectors read_vectors(const fs::path& path) {
  const fs::path ending = path.extension();
  if (ending == ".npy")
    throw UsageError("{}: .npy has no ids; expected .safetensors or .jsonl", path.string());
  if (ending != ".safetensors" && ending != ".jsonl")
    throw UsageError("{}: expected a name that ends in .safetensors or .jsonl", path.string());
  NamedVectors result = ending == ".jsonl" ? read_jsonl(path) : read_safetensors(path);
  std::set<std::string_view> seen;
  for (const std::string& id : result.ids)
    if (!seen.insert(id).second) throw FormatError("{}: id '{}' stands twice", path.string(), id);
  for (size_t i = 0; i < result.values.size(); ++i)
    if (!std::isfinite(result.values[i]))
      throw FormatError("{}: the vector of '{}' has a number that is {}", path.string(),
                        result.ids[i / static_cast<size_t>(result.width)], result.values[i]);
  return result;
}

}  // namespace tandem
