// SPDX-License-Identifier: Apache-2.0
#include "rank/hllm_catalogue.h"

#include <memory>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/plural.h"
#include "core/progress.h"
#include "engine/hllm/hllm.h"
#include "formats/run_folder.h"

namespace tandem {
namespace {

constexpr int64_t kTextsAtOnce = 1024;

std::shared_ptr<const ItemMatrix> open_matrix(const HllmFiles& files) {
  const fs::path path = files.folder / kItemMatrixFile;
  if (!fs::exists(path)) return nullptr;
  auto matrix = std::make_shared<const ItemMatrix>(path);
  if (matrix->facts().model != files.item_fingerprint())
    throw FormatError(
        "{}: was made by another Item LLM than the one in {} (the fingerprints differ); `tandem "
        "embed --items` encodes the items again",
        path.string(), (files.folder / kItemTowerFolder).string());
  if (matrix->width() != files.config.width)
    throw FormatError("{}: vectors of {} numbers, the model has width {}", path.string(),
                      matrix->width(), files.config.width);
  return matrix;
}

constexpr int64_t kNoRow = -1;

// The matrix's row of each item of the data set, [N + 1], kNoRow where it has none.
std::vector<int64_t> match_rows(const ItemMatrix& matrix, const Dataset& dataset) {
  std::vector<int64_t> rows(static_cast<size_t>(dataset.num_items()) + 1, kNoRow);
  rows[0] = 0;
  for (int64_t row = 1; row < matrix.rows(); ++row) {
    const auto item = dataset.find_item(matrix.item_id(row));
    if (!item) continue;
    if (rows[*item] != kNoRow)
      throw FormatError("{}: item id '{}' stands twice, at {} and {}", matrix.path().string(),
                        matrix.item_id(row), rows[*item], row);
    rows[*item] = row;
  }
  return rows;
}

}  // namespace

ItemPromptConfig item_prompt_of(const HllmConfig& config) {
  return {.prompt = config.item_prompt,
          .keys = config.item_keys,
          .pandas = config.pandas_text,
          .max_tokens = config.max_text_length};
}

engine::Matrix encode_texts(const engine::ItemEncoder& encoder, const ItemTexts& texts,
                            const Tokenizer& tokenizer, std::span<const int32_t> items,
                            ThreadPool& pool) {
  engine::Matrix vectors(std::ssize(items), encoder.width());
  Progress progress("encoding items", vectors.rows, "items");
  for (int64_t begin = 0; begin < vectors.rows; begin += kTextsAtOnce) {
    if (interrupted()) throw Stopped("encoding items: stopped after {} of {}", begin, vectors.rows);
    std::vector<std::vector<int32_t>> tokens;
    for (const int32_t item : items.subspan(begin, std::min(kTextsAtOnce, vectors.rows - begin)))
      tokens.push_back(texts.ids(item, tokenizer));
    const engine::Matrix some = encoder.encode(tokens, pool);
    std::copy(some.values.begin(), some.values.end(), vectors.row(begin));
    progress.update(begin + some.rows);
  }
  progress.finish();
  return vectors;
}

HllmCatalogue open_hllm_catalogue(const fs::path& run, const Dataset& dataset) {
  HllmFiles files = open_hllm(run);
  warn_if_untrained(run);
  CatalogueMatch match{.model = run.string(),
                       .dataset = dataset.folder().string(),
                       .items = dataset.num_items(),
                       .interactions = dataset.num_interactions()};
  const auto matrix = open_matrix(files);
  const bool same = matrix && matrix->facts().dataset == dataset.fingerprint() &&
                    matrix->rows() == dataset.num_items() + 1;
  match.proof = same ? CatalogueMatch::Proof::kFingerprint : CatalogueMatch::Proof::kItemIds;
  std::vector<int64_t> rows =
      matrix ? match_rows(*matrix, dataset)
             : std::vector<int64_t>(static_cast<size_t>(dataset.num_items()) + 1, kNoRow);
  std::vector<int32_t> missing;
  for (int64_t item = 0; item < std::ssize(rows); ++item)
    if (rows[item] == kNoRow) missing.push_back(static_cast<int32_t>(item));
  match.encoded = std::ssize(missing) - (matrix ? 0 : 1);
  if (matrix) match.left_out = matrix->rows() - 1 - (match.items - match.encoded);

  engine::Matrix added;
  if (!missing.empty()) {
    spdlog::info("{}: encoding the text of {}", match.model, counted(match.encoded, "item"));
    const auto tokenizer = load_tokenizer(run / kItemTowerFolder);
    ThreadPool pool;
    added =
        encode_texts(engine::ItemEncoder(files), ItemTexts(dataset, item_prompt_of(files.config)),
                     *tokenizer, missing, pool);
    for (int64_t i = 0; i < std::ssize(missing); ++i) rows[missing[i]] = -1 - i;
  }
  if (const std::string text = match.describe(); !text.empty()) spdlog::info("{}", text);
  return {std::move(files), engine::ItemVectors(matrix, std::move(rows), std::move(added)),
          std::move(match)};
}

OpenedRetriever open_hllm_retriever(const fs::path& run, const Dataset& dataset) {
  HllmCatalogue catalogue = open_hllm_catalogue(run, dataset);
  return {std::make_unique<engine::Hllm>(catalogue.files, std::move(catalogue.vectors)),
          std::move(catalogue.match)};
}

}  // namespace tandem
