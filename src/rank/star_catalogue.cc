// SPDX-License-Identifier: Apache-2.0
#include "rank/star_catalogue.h"

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/star/star.h"

namespace tandem {

OpenedRetriever open_star_retriever(const fs::path& run, const Dataset& dataset) {
  StarFiles files = open_star(run);
  auto [match, numbers] = match_items({.path = run,
                                       .run_folder = run,
                                       .num_items = files.config.num_items,
                                       .dataset_fingerprint = files.config.dataset_fingerprint},
                                      dataset);
  std::vector<int64_t> rows(static_cast<size_t>(dataset.num_items()) + 1);
  std::iota(rows.begin(), rows.end(), int64_t{0});
  std::vector<uint8_t> known;
  if (!numbers.empty()) {
    constexpr int64_t kZeros = -1;  // the one added row
    known.assign(rows.size(), 1);
    for (size_t item = 1; item < rows.size(); ++item) {
      const int32_t number = numbers[item - 1];
      known[item] = number != 0;
      rows[item] = number != 0 ? number : kZeros;
    }
    files.cooccurrence = files.cooccurrence.renumbered(numbers);
  }
  const engine::ItemVectors vectors(files.vectors, std::move(rows),
                                    engine::Matrix(1, files.config.width));
  return {std::make_unique<engine::Star>(files.config, vectors, std::move(files.cooccurrence),
                                         std::move(known)),
          std::move(match)};
}

}  // namespace tandem
