// SPDX-License-Identifier: Apache-2.0
#include "models/cooccurrence.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "formats/safetensors.h"
#include "formats/tensor_spec.h"

namespace tandem {
namespace {

constexpr const char* kRowEnds = "row_ends";
constexpr const char* kItems = "items";
constexpr const char* kSimilarities = "similarities";
constexpr const char* kFormatValue = "tandem co-occurrence";

struct Arrays {
  std::vector<int64_t> row_ends;
  std::vector<int32_t> items;
  std::vector<float> similarities;
};

// What is wrong with the rows, or "".
std::string fault(std::span<const int64_t> row_ends, std::span<const int32_t> items,
                  std::span<const float> similarities) {
  const int64_t num_items = std::ssize(row_ends), pairs = std::ssize(items);
  if (std::ssize(similarities) != pairs)
    return fmt::format("{} items with {} similarities", pairs, similarities.size());
  int64_t begin = 0;
  for (int64_t row = 0; row < num_items; ++row) {
    const int64_t end = row_ends[row];
    if (end < begin || end > pairs)
      return fmt::format("row {} ends at {} after {}, of {} pairs", row + 1, end, begin, pairs);
    for (int64_t i = begin; i < end; ++i) {
      if (items[i] < 1 || items[i] > num_items)
        return fmt::format("row {} has item {}, expected 1 to {}", row + 1, items[i], num_items);
      if (i > begin && items[i] <= items[i - 1])
        return fmt::format("row {} has item {} after {}, expected ascending ones", row + 1,
                           items[i], items[i - 1]);
      if (!(similarities[i] > 0 && similarities[i] <= 1))
        return fmt::format("row {} has similarity {} with item {}, expected more than 0, at most 1",
                           row + 1, similarities[i], items[i]);
    }
    begin = end;
  }
  if (begin != pairs) return fmt::format("the rows end at {}, of {} pairs", begin, pairs);
  return "";
}

template <class T>
std::span<const T> vector_of(const SafetensorsFile& file, const char* name, DType dtype) {
  const TensorView& tensor = file.at(name);
  if (tensor.shape.size() != 1 || tensor.dtype != dtype)
    throw FormatError("{}: tensor '{}' is {} {}, expected one axis of {}", file.path().string(),
                      name, dtype_name(tensor.dtype), format_shape(tensor.shape),
                      dtype_name(dtype));
  return tensor.as<T>();
}

}  // namespace

Cooccurrence::Cooccurrence(const fs::path& path) {
  const auto file = std::make_shared<const SafetensorsFile>(path);
  const std::string where = path.string();
  if (json_get_or<std::string>(file->metadata(), "format", "", where) != kFormatValue)
    throw FormatError("{}: holds no co-occurrences, its metadata lack \"format\": \"{}\"", where,
                      kFormatValue);
  row_ends_ = vector_of<int64_t>(*file, kRowEnds, DType::kI64);
  items_ = vector_of<int32_t>(*file, kItems, DType::kI32);
  similarities_ = vector_of<float>(*file, kSimilarities, DType::kF32);
  storage_ = file;
  if (const std::string text = fault(row_ends_, items_, similarities_); !text.empty())
    throw FormatError("{}: {}", where, text);
}

Cooccurrence::Cooccurrence(std::vector<int64_t> row_ends, std::vector<int32_t> items,
                           std::vector<float> similarities) {
  const auto arrays = std::make_shared<const Arrays>(
      Arrays{std::move(row_ends), std::move(items), std::move(similarities)});
  row_ends_ = arrays->row_ends;
  items_ = arrays->items;
  similarities_ = arrays->similarities;
  storage_ = arrays;
  if (const std::string text = fault(row_ends_, items_, similarities_); !text.empty())
    throw ShapeError("co-occurrence: {}", text);
}

Cooccurrence::Row Cooccurrence::row(int64_t item) const {
  const int64_t begin = item > 1 ? row_ends_[item - 2] : 0, count = row_ends_[item - 1] - begin;
  return {items_.subspan(begin, count), similarities_.subspan(begin, count)};
}

void Cooccurrence::write(const fs::path& path) const {
  const std::vector<TensorView> tensors = {
      {kRowEnds, DType::kI64, {num_items()}, std::as_bytes(row_ends_)},
      {kItems, DType::kI32, {num_pairs()}, std::as_bytes(items_)},
      {kSimilarities, DType::kF32, {num_pairs()}, std::as_bytes(similarities_)}};
  write_safetensors(path, tensors, {{"format", kFormatValue}});
}

Cooccurrence Cooccurrence::renumbered(std::span<const int32_t> numbers) const {
  std::vector<int32_t> renamed(static_cast<size_t>(num_items()) + 1, 0);  // the new number of each
  for (size_t i = 0; i < numbers.size(); ++i) {
    const int32_t old = numbers[i];
    if (old < 0 || old > num_items() || (old > 0 && renamed[old] != 0))
      throw ShapeError("co-occurrence: item {} is outside 0..{} or named twice", old, num_items());
    if (old > 0) renamed[old] = static_cast<int32_t>(i + 1);
  }
  Arrays result;
  std::vector<std::pair<int32_t, float>> pairs;
  for (const int32_t old : numbers) {
    pairs.clear();
    if (old > 0) {
      const auto [items, similarities] = row(old);
      for (size_t i = 0; i < items.size(); ++i)
        if (const int32_t item = renamed[items[i]]; item != 0)
          pairs.emplace_back(item, similarities[i]);
    }
    std::ranges::sort(pairs);
    for (const auto& [item, similarity] : pairs) {
      result.items.push_back(item);
      result.similarities.push_back(similarity);
    }
    result.row_ends.push_back(std::ssize(result.items));
  }
  return {std::move(result.row_ends), std::move(result.items), std::move(result.similarities)};
}

}  // namespace tandem
