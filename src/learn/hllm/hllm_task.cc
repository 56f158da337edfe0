// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/hllm_task.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "learn/hllm/hllm_retriever.h"
#include "learn/hllm/judged_ranks.h"
#include "learn/hllm/step.h"
#include "learn/retriever/objective.h"
#include "learn/retriever/validation.h"
#include "learn/trainer/validation_metrics.h"
#include "rank/catalogue.h"

namespace tandem::learn {

HllmTask::HllmTask(const Hllm& model, const Dataset& dataset, const HllmOptions& options,
                   HllmInputs inputs, TowerOrigin item, TowerOrigin user)
    : ContrastiveTask(dataset, options.samples(), options.nce, "towers"),
      model_(model),
      dataset_(dataset),
      options_(options),
      inputs_(std::move(inputs)),
      item_(std::move(item)),
      user_(std::move(user)) {}

at::Tensor HllmTask::item_vectors(ProcessGroup& group) const {
  if (known_.defined()) return known_;
  at::Tensor vectors = encode_all_items(model_, inputs_.tokens, options_.chunk_tokens, group);
  if (!model_.trains_items()) known_ = vectors;
  return vectors;
}

ContrastFigures HllmTask::add_rows(const Rows& rows, double weight, ProcessGroup& group) const {
  const HllmItems items(rows.all);
  std::optional<ItemEncoding> encoding;
  at::Tensor vectors;
  if (model_.trains_items()) {
    encoding.emplace(model_, inputs_.tokens, items.items, options_.chunk_tokens, group);
    vectors = encoding->vectors();
  } else {
    const std::vector<int64_t> places(items.items.begin(), items.items.end());
    const at::Tensor all = item_vectors(group);
    vectors = all.index_select(0, at::tensor(places, at::kLong).to(all.device()));
  }
  const auto judged = std::ranges::count_if(
      rows.all, [](const ContrastiveRow& row) { return row.num_transitions() > 0; });
  const StepWeights weights{.position = weight * options_.contrast_weight,
                            .row = 1 / static_cast<double>(std::max<int64_t>(judged, 1))};
  ContrastFigures found;
  for (const StepPart& part : rows.parts)
    found.add(add_position_gradients(model_, items, vectors, rows.of(part), filter(), weights));
  if (encoding) encoding->backward();
  return found;
}

std::string HllmTask::validated_on() const {
  return fmt::format("{} users", validation_users(dataset_, {}, options_.valid_users).size());
}

ValidationResult HllmTask::validate(ProcessGroup& group, ThreadPool& pool) const {
  const Excluded exclude = options_.exclude_history ? Excluded::kHistory : Excluded::kPadding;
  const std::vector<int64_t> ranks = validation_ranks(
      HllmRetriever(model_, item_vectors(group)), NextItem(options_.max_length), dataset_,
      {.exclude = exclude, .most_users = options_.valid_users}, group, pool);
  const std::string decides = options_.metric == kAuc ? "NDCG@10" : options_.metric;
  ValidationResult result = validation_result(ranks, decides, {10, 200}, kHllmCutoffs);
  if (!judges()) return result;
  const JudgedRanks judged = judged_ranks(model_, item_vectors(group), dataset_,
                                          {.candidates = options_.judged_candidates,
                                           .max_length = options_.max_length,
                                           .most_users = options_.valid_users,
                                           .seed = static_cast<uint64_t>(options_.seed)},
                                          group);
  result.metrics[kAuc] = judged.auc();
  result.metrics["judged_NDCG@10"] = judged.ndcg(10);
  result.scalars.emplace_back(kAuc, judged.auc());
  if (options_.metric == kAuc) result.value = judged.auc();
  return result;
}

void HllmTask::write_model(const fs::path& folder,
                           std::span<const NamedParameter> parameters) const {
  write_item_ids(folder, dataset_);
  const std::optional<LoraConfig>& item_lora = model_.item_llm().options().lora;
  const std::optional<LoraConfig>& user_lora = model_.user_llm().options().lora;
  const LoraConfig lora = item_lora ? *item_lora : user_lora.value_or(LoraConfig{});
  write_hllm(folder, model_.config(), model_.extras(), lora, item_,
             model_.config().shared_towers ? nullptr : &user_, parameters);
}

}  // namespace tandem::learn
