// SPDX-License-Identifier: Apache-2.0
#include "rank/catalogue.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "data/string_table.h"
#include "formats/run_folder.h"
#include "rank/hllm_catalogue.h"
#include "rank/star_catalogue.h"

namespace tandem {
namespace {

std::string_view proof_name(CatalogueMatch::Proof proof) {
  switch (proof) {
    case CatalogueMatch::Proof::kFingerprint:
      return "fingerprint";
    case CatalogueMatch::Proof::kItemIds:
      return "item ids";
    case CatalogueMatch::Proof::kCountAlone:
      break;
  }
  return "number of items";
}

// The model's number of each item of the data set, 0 where it has none.
std::vector<int32_t> match_ids(const fs::path& file, int64_t num_items, const Dataset& dataset) {
  const StringTable ids(file);
  if (ids.columns() != 1 || ids.size() != num_items)
    throw FormatError("{}: {} ids in {} columns, the model has {} items in one", file.string(),
                      ids.size(), ids.columns(), num_items);
  std::vector<int32_t> numbers(dataset.num_items(), 0);
  for (int64_t row = 0; row < ids.size(); ++row) {
    const std::string_view id = ids.at(0, row);
    const auto item = dataset.find_item(id);
    if (!item) continue;
    int32_t& number = numbers[static_cast<size_t>(*item) - 1];
    if (number != 0)
      throw FormatError("{}: item id '{}' stands twice, at {} and {}", file.string(), id, number,
                        row + 1);
    number = static_cast<int32_t>(row + 1);
  }
  return numbers;
}

bool in_order(const std::vector<int32_t>& numbers, int64_t num_items) {
  if (std::ssize(numbers) != num_items) return false;
  for (size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] != static_cast<int32_t>(i + 1)) return false;
  return true;
}

void count(const std::vector<int32_t>& numbers, int64_t num_items, const Dataset& dataset,
           CatalogueMatch& match) {
  for (const int32_t number : numbers) match.unknown += number == 0;
  match.left_out = num_items - (match.items - match.unknown);
  if (match.unknown == 0) return;
  for (int64_t user = 0; user < dataset.num_users(); ++user)
    for (const int32_t item : dataset.items(user))
      match.skipped += numbers[static_cast<size_t>(item) - 1] == 0;
}

// Fewer than half of the interactions: the histories would say little, and most targets be misses.
void check_shared(const CatalogueMatch& match) {
  if (2 * match.skipped <= match.interactions && match.unknown < match.items) return;
  throw DataError(
      "{}: the model knows {} of the {} items of {}, with {} of its {} interactions ({:.0f} %); at "
      "least half are needed: it was trained on another catalogue",
      match.model, match.items - match.unknown, match.items, match.dataset,
      match.interactions - match.skipped, match.interactions,
      100.0 * static_cast<double>(match.interactions - match.skipped) /
          static_cast<double>(std::max<int64_t>(1, match.interactions)));
}

// Without ids: the fingerprint decides, and where there is none the number of items must.
void check_without_ids(const ModelItems& model, const CatalogueMatch& match) {
  if (model.num_items != match.items)
    throw DataError(
        "{}: the model knows {} items, {} has {}, and no {} says which: it was trained on another "
        "data set",
        match.model, model.num_items, match.dataset, match.items, kRetrieverItemsFile);
  if (!model.dataset_fingerprint.empty())
    throw DataError(
        "{}: the model was trained on another data set than {} (the fingerprints differ), and no "
        "{} says which items it knows; train it again, or use its own data set",
        match.model, match.dataset, kRetrieverItemsFile);
}

}  // namespace

void write_item_ids(const fs::path& run, const Dataset& dataset) {
  std::vector<std::vector<std::string_view>> columns(1);
  for (int32_t item = 1; item <= dataset.num_items(); ++item)
    columns[0].push_back(dataset.item_id(item));
  const std::vector<char> bytes = StringTable::encode(columns, id_order(columns[0]));
  write_file(run / kRetrieverItemsFile, std::string_view(bytes.data(), bytes.size()));
}

std::string CatalogueMatch::describe() const {
  if (proof == Proof::kFingerprint) return "";
  if (proof == Proof::kCountAlone)
    return fmt::format(
        "{}: keeps no item ids: that its {} items are those of {}, in the same order, could not be "
        "checked",
        model, items, dataset);
  if (encoded > 0 && encoded == items)
    return fmt::format(
        "{}: has no vectors of the items of {}: all {} were encoded from their text; `tandem embed "
        "--items` stores them",
        model, dataset, items);
  std::string text = fmt::format("{}: trained on another data set than {}; ", model, dataset);
  if (encoded > 0)
    text += fmt::format("it knows {} of {} items by their ids and {} by their text",
                        items - encoded, items, encoded);
  else
    text += unknown == 0 ? fmt::format("it knows all {} items by their ids", items)
                         : fmt::format(
                               "items unknown to it: {} of {}, never recommended, with {} of {} "
                               "interactions, skipped",
                               unknown, items, skipped, interactions);
  if (left_out > 0)
    text += fmt::format("; its items that the data set lacks: {}, left out", left_out);
  return text;
}

Json CatalogueMatch::to_json() const {
  Json json = {{"proof", proof_name(proof)},      {"items", items},
               {"unknown_items", unknown},        {"interactions", interactions},
               {"skipped_interactions", skipped}, {"left_out_items", left_out}};
  if (encoded > 0) json["encoded_items"] = encoded;
  return json;
}

MatchedItems match_items(const ModelItems& model, const Dataset& dataset) {
  const fs::path file = model.run_folder / kRetrieverItemsFile;
  MatchedItems result{.match = {.model = model.path.string(),
                                .dataset = dataset.folder().string(),
                                .items = dataset.num_items(),
                                .interactions = dataset.num_interactions()},
                      .numbers = {}};
  CatalogueMatch& match = result.match;
  if (!model.dataset_fingerprint.empty() && model.dataset_fingerprint == dataset.fingerprint() &&
      model.num_items == dataset.num_items()) {
    match.proof = CatalogueMatch::Proof::kFingerprint;
  } else if (!model.run_folder.empty() && fs::exists(file)) {
    match.proof = CatalogueMatch::Proof::kItemIds;
    result.numbers = match_ids(file, model.num_items, dataset);
    count(result.numbers, model.num_items, dataset, match);
    check_shared(match);
    if (in_order(result.numbers, model.num_items)) result.numbers.clear();
  } else {
    check_without_ids(model, match);
    match.proof = CatalogueMatch::Proof::kCountAlone;
  }
  const bool complete = match.proof == CatalogueMatch::Proof::kItemIds && match.unknown == 0;
  if (const std::string text = match.describe(); !text.empty())
    spdlog::log(complete ? spdlog::level::info : spdlog::level::warn, "{}", text);
  return result;
}

OpenedRetriever open_retriever(const fs::path& path, const Dataset& dataset,
                               const RetrieverModelConfig& fallback) {
  if (is_hllm_folder(path)) return open_hllm_retriever(path, dataset);
  if (is_star_folder(path)) return open_star_retriever(path, dataset);
  RetrieverWeights weights = RetrieverWeights::open(path, fallback);
  const RetrieverModelConfig& model = weights.config();
  if (!weights.run_folder().empty()) warn_if_untrained(weights.run_folder());
  auto [match, numbers] = match_items({.path = path,
                                       .run_folder = weights.run_folder(),
                                       .num_items = model.num_items,
                                       .dataset_fingerprint = model.dataset_fingerprint},
                                      dataset);
  if (!numbers.empty()) weights = weights.renumbered(numbers);
  return {engine::make_retriever(weights), std::move(match)};
}

}  // namespace tandem
