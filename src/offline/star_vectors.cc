// SPDX-License-Identifier: Apache-2.0
#include "offline/star_vectors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/sha256.h"
#include "engine/hllm/item_encoder.h"
#include "models/hllm_files.h"
#include "offline/vector_file.h"
#include "rank/hllm_catalogue.h"
#include "tokenizer/tokenizer.h"

namespace tandem {
namespace {

// A language model as an Item LLM that nobody trained.
HllmFiles as_item_llm(const fs::path& base, const ItemPromptConfig& text) {
  HllmFiles files;
  files.item_tower = open_llama(base, {.embedding = true, .head = false});
  files.config = {.width = files.item_tower->config().hidden_size,
                  .max_text_length = text.max_tokens,
                  .item_prompt = text.prompt,
                  .item_keys = text.keys,
                  .pooling = HllmPooling::kMean};
  return files;
}

StarVectors encoded(const fs::path& base, const ItemPromptConfig& text, const Dataset& dataset,
                    ThreadPool& pool) {
  const HllmFiles files = as_item_llm(base, text);
  const auto tokenizer = load_tokenizer(base);
  const int64_t words = files.item_tower->config().vocab_size;
  if (tokenizer->vocab_size() > words)
    throw DataError("{}: the tokenizer has {} tokens, the model {}", base.string(),
                    tokenizer->vocab_size(), words);
  const ItemTexts texts(dataset, text);
  std::vector<int32_t> items(static_cast<size_t>(dataset.num_items()) + 1);
  std::iota(items.begin(), items.end(), 0);
  StarVectors result;
  for (int32_t item = 1; item <= dataset.num_items(); ++item)
    result.missing += texts.text(item).empty();
  if (result.missing == dataset.num_items())
    throw DataError(
        "no item of {} has a text in {}; import it with titles (--meta), or name other fields in "
        "--text-keys",
        dataset.folder().string(), fmt::join(text.keys, ", "));
  result.vectors = encode_texts(engine::ItemEncoder(files), texts, *tokenizer, items, pool);
  result.facts = {.model = files.item_fingerprint(),
                  .texts = texts.fingerprint(),
                  .dataset = dataset.fingerprint()};
  // Of a text without letters some tokenizers still make tokens (BOS): no item's meaning.
  for (const int32_t item : items)
    if (texts.text(item).empty())
      std::fill_n(result.vectors.row(item), result.vectors.columns, 0.0f);
  return result;
}

StarVectors of_run(const fs::path& run, const Dataset& dataset) {
  const HllmCatalogue catalogue = open_hllm_catalogue(run, dataset);
  StarVectors result{.vectors = {dataset.num_items() + 1, catalogue.vectors.width()}};
  for (int64_t item = 0; item < result.vectors.rows; ++item)
    catalogue.vectors.read(item, result.vectors.row(item));
  result.facts = {.model = catalogue.files.item_fingerprint(),
                  .texts = ItemTexts(dataset, item_prompt_of(catalogue.files.config)).fingerprint(),
                  .dataset = dataset.fingerprint()};
  return result;
}

StarVectors of_file(const fs::path& path, const Dataset& dataset) {
  const NamedVectors named = read_vectors(path);
  StarVectors result{.vectors = {dataset.num_items() + 1, named.width},
                     .missing = dataset.num_items()};
  for (int64_t row = 0; row < std::ssize(named.ids); ++row)
    if (const auto item = dataset.find_item(named.ids[row])) {
      std::copy_n(named.values.data() + row * named.width, named.width, result.vectors.row(*item));
      --result.missing;
    }
  if (result.missing == dataset.num_items())
    throw DataError("{}: none of its {} ids is an item of {}", path.string(), named.ids.size(),
                    dataset.folder().string());
  result.facts = {.model = Sha256().add(std::as_bytes(std::span(result.vectors.values))).hex(),
                  .texts = "",
                  .dataset = dataset.fingerprint()};
  return result;
}

}  // namespace

StarVectors star_vectors(const StarSource& source, const Dataset& dataset, ThreadPool& pool) {
  if (source.base.empty() == source.vectors.empty())
    throw UsageError("train star: say --base or --vectors, which item vectors come from");
  const bool run = !source.base.empty() && is_hllm_folder(source.base);
  if (source.text && !source.vectors.empty())
    throw UsageError("train star: --vectors are there already; --text-* goes with --base");
  if (source.text && run)
    throw UsageError("{}: is a run of HLLM, which says itself how it writes an item; no --text-*",
                     source.base.string());
  if (run) return of_run(source.base, dataset);
  if (!source.vectors.empty()) return of_file(source.vectors, dataset);
  return encoded(source.base, source.text.value_or(ItemPromptConfig{}), dataset, pool);
}

}  // namespace tandem
