// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "data/dataset.h"
#include "engine/retriever.h"

namespace tandem {

// A retriever's run keeps the outside ids of its items, in the model's order, as a string table of
// one column (docs/formats.md).
inline constexpr const char* kRetrieverItemsFile = "items.bin";
void write_item_ids(const fs::path& run, const Dataset& dataset);

// How a model's items and a data set's were found to be the same.
struct CatalogueMatch {
  enum class Proof {
    kFingerprint,  // the model was trained on this very content: nothing is renumbered
    kItemIds,      // by outside ids; the model is renumbered where the two differ
    kCountAlone,   // there are as many: all that a bare checkpoint says
  };
  Proof proof = Proof::kFingerprint;
  std::string model, dataset;             // the paths, for messages
  int64_t items = 0, unknown = 0;         // of the data set; of those, what the model lacks
  int64_t interactions = 0, skipped = 0;  // of the data set; of those, with unknown items
  int64_t left_out = 0;                   // items of the model that the data set lacks
  int64_t encoded = 0;  // of HLLM: items new to the model, which has them from their text

  // What was found and what is done about it, one sentence; "" when the content is the same.
  std::string describe() const;
  // {"proof": "item ids", "items": ..., "unknown_items": ..., "interactions": ...,
  // "skipped_interactions": ..., "left_out_items": ...}, and of HLLM "encoded_items" where it has any
  Json to_json() const;
};

// What a run or a checkpoint says of its items.
struct ModelItems {
  fs::path path;             // as it was named, for messages
  fs::path run_folder = {};  // where items.bin is, or empty
  int64_t num_items = 0;
  std::string dataset_fingerprint = "";  // "" : unknown
};

struct MatchedItems {
  CatalogueMatch match;
  // The model's number of each item 1..N of the data set, 0 where it has none; empty: they are the
  // same.
  std::vector<int32_t> numbers;
};

// Equal fingerprints, or items matched by outside ids, or, where the model keeps neither, as many
// items. Logs match.describe(). O(N log N) and one pass over the interactions when ids are matched.
// DataError when fewer than half of the data set's interactions are with items that the model
// knows, when a fingerprint differs and no ids are kept, or when the number of items does;
// FormatError for a broken items.bin.
MatchedItems match_items(const ModelItems& model, const Dataset& dataset);

struct OpenedRetriever {
  std::unique_ptr<engine::Retriever> retriever;  // in the data set's item numbers
  CatalogueMatch match;
};

// The retriever of a run folder or checkpoint (RetrieverWeights::open, models/star_files.h) for a
// data set, its items matched as match_items() does it. An HLLM run has every item, new ones from
// their text (rank/hllm_catalogue.h). Logs that a run ended untrained. Throws as match_items() and
// the readers of the files.
OpenedRetriever open_retriever(const fs::path& path, const Dataset& dataset,
                               const RetrieverModelConfig& fallback = {});

}  // namespace tandem
