// SPDX-License-Identifier: Apache-2.0
#include "offline/build_star.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/plural.h"
#include "formats/run_folder.h"
#include "formats/run_lock.h"
#include "models/hllm_files.h"
#include "offline/count_cooccurrence.h"
#include "rank/catalogue.h"

namespace tandem {
namespace {

void write_vectors_of(const StarVectors& star, const Dataset& dataset, const fs::path& folder) {
  const ItemRows rows =
      encode_item_rows(star.vectors.values, star.vectors.columns, ItemMatrixType::kFloat32);
  std::vector<std::string_view> ids;
  for (int32_t item = 1; item <= dataset.num_items(); ++item) ids.push_back(dataset.item_id(item));
  const ItemRowsView piece{.vectors = rows.vectors, .scales = rows.scales};
  write_item_matrix(folder / kItemMatrixFile, ItemMatrixType::kFloat32, star.vectors.columns,
                    {&piece, 1}, ids, star.facts);
}

RunInfo run_info(const StarSource& source, const StarVectors& star, const Dataset& dataset) {
  const bool base = source.vectors.empty();
  Json extra = {
      {"dataset", fs::absolute(dataset.folder()).string()},
      {base ? "base" : "vectors", fs::absolute(base ? source.base : source.vectors).string()}};
  if (base && !is_hllm_folder(source.base)) {
    const ItemPromptConfig text = source.text.value_or(ItemPromptConfig{});
    extra["text"] = {{"prompt", text.prompt}, {"keys", text.keys}, {"max_tokens", text.max_tokens}};
  }
  return {.verb = "train star",
          .dataset_fingerprint = dataset.fingerprint(),
          .extra = std::move(extra),
          .facts = {{"texts", star.facts.texts}, {"item_vectors", star.facts.model}}};
}

}  // namespace

void build_star(StarConfig config, const StarSource& source, const Dataset& dataset,
                const Output& output, ThreadPool& pool) {
  const InterruptGuard guard;
  config.num_items = dataset.num_items();
  config.width = 1;
  config.dataset_fingerprint = dataset.fingerprint();
  config.validate("train star");  // before the work
  std::optional<RunLock> replaced;
  if (output.replaces()) replaced.emplace(output.path());
  StagedFolder staged(output);
  const StarVectors star = star_vectors(source, dataset, pool);
  config.width = star.vectors.columns;
  if (star.missing > 0)
    spdlog::warn("{} of {} have no {}: they are found by their users alone", star.missing,
                 counted(dataset.num_items(), "item"), source.vectors.empty() ? "text" : "vector");
  write_vectors_of(star, dataset, staged.path());
  const Cooccurrence cooccurrence = count_cooccurrence(dataset, pool);
  cooccurrence.write(staged.path() / kCooccurrenceFile);
  write_item_ids(staged.path(), dataset);
  write_json(staged.path() / kStarConfigFile, config.to_json());
  write_json(staged.path() / "run.json", run_json(run_info(source, star, dataset)));
  staged.commit();
  spdlog::info("{}: {} with vectors of {} numbers, {} with users in common", output.path().string(),
               counted(config.num_items, "item"), config.width,
               counted(cooccurrence.num_pairs(), "pair"));
}

}  // namespace tandem
