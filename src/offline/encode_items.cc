// SPDX-License-Identifier: Apache-2.0
#include "offline/encode_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "rank/hllm_catalogue.h"

namespace tandem {
namespace {

// What a chunk must have been made of to count.
Json chunk_facts(const ItemMatrixFacts& facts, const EncodeItemsOptions& options) {
  return {{"model", facts.model},
          {"texts", facts.texts},
          {"dataset", facts.dataset},
          {"type", item_matrix_type_name(options.type)},
          {"chunk", fmt::format("{}", options.chunk)}};
}

fs::path chunk_path(const fs::path& run, int64_t chunk) {
  return run / kItemPartsFolder / fmt::format("{:06}.safetensors", chunk);
}

bool is_done(const fs::path& path, const Json& facts) {
  try {
    return fs::exists(path) && SafetensorsFile(path).metadata() == facts;
  } catch (const FormatError&) {
    return false;
  }
}

void write_chunk(const fs::path& path, const ItemRows& rows, const Json& facts) {
  std::vector<TensorView> tensors = {
      {"vectors", DType::kU8, {std::ssize(rows.vectors)}, rows.vectors}};
  if (!rows.scales.empty())
    tensors.push_back(
        {"scales", DType::kF32, {std::ssize(rows.scales)}, std::as_bytes(std::span(rows.scales))});
  write_safetensors(path, tensors, facts);
}

// The matrix from chunks that are all there; they go.
void write_matrix(const fs::path& run, const Dataset& dataset, int64_t chunks, int64_t width,
                  ItemMatrixType type, const ItemMatrixFacts& facts) {
  std::vector<SafetensorsFile> files;
  std::vector<ItemRowsView> pieces;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    files.emplace_back(chunk_path(run, chunk));
    ItemRowsView piece{.vectors = files.back().at("vectors").bytes};
    if (type == ItemMatrixType::kInt8) piece.scales = files.back().at("scales").as<float>();
    pieces.push_back(piece);
  }
  std::vector<std::string_view> ids;
  for (int32_t item = 1; item <= dataset.num_items(); ++item) ids.push_back(dataset.item_id(item));
  write_item_matrix(run / kItemMatrixFile, type, width, pieces, ids, facts);
  fs::remove_all(run / kItemPartsFolder);
}

}  // namespace

EncodedItems encode_items(const fs::path& run, const Dataset& dataset,
                          const EncodeItemsOptions& options, ThreadPool& pool) {
  const InterruptGuard guard;
  const HllmFiles files = open_hllm(run);
  const ItemTexts texts(dataset, item_prompt_of(files.config));
  const auto tokenizer = load_tokenizer(run / kItemTowerFolder);
  const engine::ItemEncoder encoder(files);
  const ItemMatrixFacts facts{.model = files.item_fingerprint(),
                              .texts = texts.fingerprint(),
                              .dataset = dataset.fingerprint()};
  const Json wanted = chunk_facts(facts, options);
  fs::create_directories(run / kItemPartsFolder);

  const int64_t rows = dataset.num_items() + 1;
  EncodedItems result{.items = rows - 1, .chunks = (rows + options.chunk - 1) / options.chunk};
  std::vector<int64_t> mine;
  for (int64_t chunk = options.part; chunk < result.chunks; chunk += options.parts) {
    if (is_done(chunk_path(run, chunk), wanted))
      ++result.done_before;
    else
      mine.push_back(chunk);
  }
  Progress progress("encoding items", std::ssize(mine) * options.chunk, "items");
  for (int64_t i = 0; i < std::ssize(mine); ++i) {
    const int64_t begin = mine[i] * options.chunk, count = std::min(options.chunk, rows - begin);
    std::vector<int32_t> items(static_cast<size_t>(count));
    std::iota(items.begin(), items.end(), static_cast<int32_t>(begin));
    if (interrupted())
      throw Interrupted("{}: {} of {} chunks of items are encoded; the same command goes on",
                        run.string(), result.done_before + i,
                        result.done_before + std::ssize(mine));
    std::vector<std::vector<int32_t>> tokens;
    for (const int32_t item : items) tokens.push_back(texts.ids(item, *tokenizer));
    const engine::Matrix vectors = encoder.encode(tokens, pool);
    write_chunk(chunk_path(run, mine[i]),
                encode_item_rows(vectors.values, vectors.columns, options.type), wanted);
    progress.update((i + 1) * options.chunk);
  }
  progress.finish();
  if (options.parts > 1) return result;
  write_matrix(run, dataset, result.chunks, encoder.width(), options.type, facts);
  result.written = true;
  return result;
}

}  // namespace tandem
