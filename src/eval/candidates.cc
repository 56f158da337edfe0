// SPDX-License-Identifier: Apache-2.0
#include "eval/candidates.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "formats/safetensors.h"

namespace tandem {
namespace {

constexpr std::string_view kFormat = "tandem-candidates-1";

template <typename T>
TensorView view(const std::string& name, DType dtype, const std::vector<int64_t>& shape,
                const std::vector<T>& data) {
  return {.name = name,
          .dtype = dtype,
          .shape = shape,
          .bytes = std::as_bytes(std::span<const T>(data))};
}

template <typename T>
std::vector<T> load(const SafetensorsFile& file, const std::string& name,
                    const std::vector<int64_t>& shape) {
  const TensorView& tensor = file.at(name);
  if (tensor.shape != shape) {
    throw FormatError("{}: tensor '{}' has shape [{}], expected [{}]", file.path().string(), name,
                      fmt::join(tensor.shape, ", "), fmt::join(shape, ", "));
  }
  const std::span<const T> values = tensor.as<T>();
  return {values.begin(), values.end()};
}

void check_row(const CandidateSet& set, int64_t user, std::vector<int32_t>& sorted,
               std::string_view where) {
  const auto items = set.items_of(user);
  const auto scores = set.scores_of(user);
  const size_t filled = std::find(items.begin(), items.end(), 0) - items.begin();
  for (size_t k = 0; k < items.size(); ++k) {
    if (items[k] < 0 || items[k] > set.num_items) {
      throw DataError("{}: user {}, candidate {}: item {} is outside 1..{}", where, user, k,
                      items[k], set.num_items);
    }
    if (k >= filled && items[k] != 0) {
      throw DataError("{}: user {}: item {} stands behind the padding", where, user, items[k]);
    }
    if (k < filled && std::isnan(scores[k])) {
      throw DataError("{}: user {}, candidate {}: the score is NaN", where, user, k);
    }
    if (k > 0 && k < filled && scores[k] > scores[k - 1]) {
      throw DataError("{}: user {}: candidate {} has a higher score than the one before it", where,
                      user, k);
    }
  }
  sorted.assign(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(filled));
  std::sort(sorted.begin(), sorted.end());
  const auto twin = std::adjacent_find(sorted.begin(), sorted.end());
  if (twin != sorted.end())
    throw DataError("{}: user {}: item {} stands twice", where, user, *twin);
}

}  // namespace

bool CandidateSet::holds_target(int64_t user) const {
  if (target[user] == 0) return false;
  const auto items = items_of(user);
  return std::find(items.begin(), items.end(), target[user]) != items.end();
}

void CandidateSet::validate(std::string_view where) const {
  const auto rows = static_cast<size_t>(num_users),
             cells = static_cast<size_t>(num_users * num_candidates);
  if (items.size() != cells || scores.size() != cells || target.size() != rows ||
      rank.size() != rows) {
    throw ShapeError(
        "{}: {} items, {} scores, {} targets, {} ranks do not fit {} users x {} candidates", where,
        items.size(), scores.size(), target.size(), rank.size(), num_users, num_candidates);
  }
  if (split != "valid" && split != "test") {
    throw DataError("{}: split is '{}', expected 'valid' or 'test'", where, split);
  }
  if (seen_items != "window" && seen_items != "history" && seen_items != "none") {
    throw DataError("{}: seen_items is '{}', expected 'window', 'history' or 'none'", where,
                    seen_items);
  }
  parse_tie_rule(tie_rule);
  std::vector<int32_t> sorted;
  for (int64_t user = 0; user < num_users; ++user) {
    check_row(*this, user, sorted, where);
    if (target[user] < 0 || target[user] > num_items) {
      throw DataError("{}: user {}: target {} is outside 0..{}", where, user, target[user],
                      num_items);
    }
    if (rank[user] < 0 || rank[user] > (target[user] == 0 ? 0 : num_items + 1)) {
      throw DataError("{}: user {}: rank {} does not go with target {}", where, user, rank[user],
                      target[user]);
    }
    if (target[user] != 0 && rank[user] == 0 && (seen_items == "none" || holds_target(user))) {
      throw DataError("{}: user {}: rank 0 says that target {} is excluded, {} says it is not",
                      where, user, target[user],
                      seen_items == "none" ? "seen_items 'none'" : "its place in the list");
    }
  }
}

// Candidate files of version 1 once gave excluded targets the rank behind all that may be offered.
void unrank_excluded(CandidateSet& set) {
  for (int64_t user = 0; user < set.num_users; ++user) {
    const auto items = set.items_of(user);
    const bool lists_all = !items.empty() && items.back() == 0;
    const bool known = set.rank[user] <= set.num_items;
    if (lists_all && known && !set.holds_target(user)) set.rank[user] = 0;
  }
}

const OutputKind kCandidateFile = {
    .name = "a candidate file", .recognises = [](const fs::path& path) {
      try {
        const SafetensorsFile file(path);
        return file.metadata().is_object() && file.metadata().value("format", "") == kFormat;
      } catch (const Error&) {
        return false;
      }
    }};

void write_candidates(const fs::path& path, const CandidateSet& set) {
  set.validate(path.string());
  const std::vector<int64_t> matrix = {set.num_users, set.num_candidates}, column = {set.num_users};
  const std::array<TensorView, 4> tensors = {view("items", DType::kI32, matrix, set.items),
                                             view("scores", DType::kF32, matrix, set.scores),
                                             view("target", DType::kI32, column, set.target),
                                             view("rank", DType::kI32, column, set.rank)};
  write_safetensors(path, tensors,
                    Json{{"format", kFormat},
                         {"num_items", std::to_string(set.num_items)},
                         {"split", set.split},
                         {"seen_items", set.seen_items},
                         {"tie_rule", set.tie_rule},
                         {"fingerprint", set.fingerprint},
                         {"retriever", set.retriever}});
}

CandidateSet read_candidates(const fs::path& path) {
  const std::string where = path.string();
  const SafetensorsFile file(path);
  const Json& metadata = file.metadata();
  const auto format = json_get<std::string>(metadata, "format", where);
  if (format != kFormat)
    throw FormatError("{}: format is '{}', expected '{}'", where, format, kFormat);

  CandidateSet set;
  const auto num_items = json_get<std::string>(metadata, "num_items", where);
  const auto [end, error] =
      std::from_chars(num_items.data(), num_items.data() + num_items.size(), set.num_items);
  if (error != std::errc() || end != num_items.data() + num_items.size() || set.num_items < 0 ||
      set.num_items > std::numeric_limits<int32_t>::max()) {
    throw FormatError("{}: num_items is '{}', expected a number of items", where, num_items);
  }
  set.split = json_get<std::string>(metadata, "split", where);
  set.seen_items = json_get<std::string>(metadata, "seen_items", where);
  set.tie_rule = json_get<std::string>(metadata, "tie_rule", where);
  set.fingerprint = json_get<std::string>(metadata, "fingerprint", where);
  set.retriever = json_get<std::string>(metadata, "retriever", where);

  const std::vector<int64_t>& shape = file.at("items").shape;
  if (shape.size() != 2) {
    throw FormatError("{}: tensor 'items' has {} axes, expected users x candidates", where,
                      shape.size());
  }
  set.num_users = shape[0];
  set.num_candidates = shape[1];
  set.items = load<int32_t>(file, "items", shape);
  set.scores = load<float>(file, "scores", shape);
  set.target = load<int32_t>(file, "target", {set.num_users});
  set.rank = load<int32_t>(file, "rank", {set.num_users});
  set.validate(where);
  unrank_excluded(set);
  return set;
}

}  // namespace tandem
