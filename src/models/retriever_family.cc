// SPDX-License-Identifier: Apache-2.0
#include "models/retriever_family.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/spelling.h"

namespace tandem {

double transformer_flops_per_position(const RetrieverModelConfig& config) {
  const double square = static_cast<double>(config.width) * static_cast<double>(config.width);
  const double block = 4 + 2 * static_cast<double>(config.inner);
  return 2 * block * square * static_cast<double>(config.blocks);
}

std::span<const RetrieverFamily> retriever_families() {
  static const RetrieverFamily families[] = {lrurec_family(),   sasrec_family(), narm_family(),
                                             bert4rec_family(), hstu_family(),   llmid_family()};
  return families;
}

std::vector<std::string> retriever_family_names() {
  std::vector<std::string> names;
  for (const RetrieverFamily& family : retriever_families()) names.emplace_back(family.name);
  return names;
}

const RetrieverFamily& retriever_family(std::string_view name, std::string_view what) {
  const std::span<const RetrieverFamily> families = retriever_families();
  const auto found = std::ranges::find(families, name, &RetrieverFamily::name);
  if (found != families.end()) return *found;
  const std::vector<std::string> names = retriever_family_names();
  throw ConfigError("{} is '{}', expected one of {}{}", what, name, fmt::join(names, ", "),
                    did_you_mean(name, names));
}

}  // namespace tandem
