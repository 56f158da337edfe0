// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "core/thread_pool.h"
#include "engine/hllm/item_encoder.h"
#include "engine/hllm/item_vectors.h"
#include "models/hllm_files.h"
#include "rank/catalogue.h"
#include "rank/item_prompt.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

// How an HLLM's run writes an item down.
ItemPromptConfig item_prompt_of(const HllmConfig& config);

// Vectors of some items from their texts, [items, D]; item 0 is the empty text. Shows progress.
// Throws Stopped after a signal.
engine::Matrix encode_texts(const engine::ItemEncoder& encoder, const ItemTexts& texts,
                            const Tokenizer& tokenizer, std::span<const int32_t> items,
                            ThreadPool& pool);

struct HllmCatalogue {
  HllmFiles files;
  engine::ItemVectors vectors;  // in the data set's item numbers
  CatalogueMatch match;
};

// A run of HLLM (models/hllm_files.h) for a data set. The rows of its item matrix are matched to the
// data set's items by outside ids; items that it lacks, or all where the run has no matrix, are
// encoded from their texts, so that none is unknown. Logs what was found. FormatError for a matrix
// that another Item LLM made.
HllmCatalogue open_hllm_catalogue(const fs::path& run, const Dataset& dataset);
// The same as open_retriever() gives it.
OpenedRetriever open_hllm_retriever(const fs::path& run, const Dataset& dataset);

}  // namespace tandem
