// SPDX-License-Identifier: Apache-2.0
#include "engine/retriever.h"

#include "core/error.h"
#include "engine/bert4rec/bert4rec.h"
#include "engine/hstu/hstu.h"
#include "engine/llmid/llmid.h"
#include "engine/lrurec/lrurec.h"
#include "engine/narm/narm.h"
#include "engine/sasrec/sasrec.h"
#include "models/retriever_family.h"

namespace tandem::engine {
namespace {

template <class Model>
std::unique_ptr<Retriever> make(const RetrieverWeights& weights) {
  return std::make_unique<Model>(weights);
}

// By the names of retriever_families().
struct Maker {
  std::string_view family;
  std::unique_ptr<Retriever> (*make)(const RetrieverWeights& weights);
};
constexpr Maker kFamilies[] = {{"lrurec", make<LruRec>}, {"sasrec", make<SasRec>},
                               {"narm", make<Narm>},     {"bert4rec", make<Bert4Rec>},
                               {"hstu", make<Hstu>},     {"llmid", make<LlmId>}};

}  // namespace

SeenItems parse_seen_items(std::string_view name) {
  if (name == "window") return SeenItems::kWindow;
  if (name == "full" || name == "history") return SeenItems::kHistory;
  if (name == "none") return SeenItems::kNone;
  throw UsageError(
      "'{}' does not say which seen items to exclude; expected window, history or none", name);
}

std::string_view seen_items_name(SeenItems seen) {
  switch (seen) {
    case SeenItems::kWindow:
      return "window";
    case SeenItems::kHistory:
      return "history";
    case SeenItems::kNone:
      break;
  }
  return "none";
}

double Retriever::flops_per_position() const {
  return retriever_family(config().model_type).flops_per_position(config());
}

std::vector<std::vector<ScoredItem>> Retriever::top_k(std::span<const History> histories, int64_t k,
                                                      SeenItems seen, ThreadPool& pool) const {
  return top_k_and_rank(histories, k, {}, seen, pool).top;
}

std::unique_ptr<Retriever> make_retriever(const RetrieverWeights& weights) {
  const RetrieverFamily& family = retriever_family(weights.config().model_type);
  for (const auto& [name, make] : kFamilies)
    if (name == family.name) return make(weights);
  throw ConfigError("the engine has no {}", family.title);
}

std::unique_ptr<Retriever> load_retriever(const fs::path& path,
                                          const RetrieverModelConfig& fallback) {
  return make_retriever(RetrieverWeights::open(path, fallback));
}

}  // namespace tandem::engine
