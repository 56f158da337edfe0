// SPDX-License-Identifier: Apache-2.0
// HLLM's judgements and times: the training half and the engine read one folder as one model.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/hllm/hllm.h"
#include "learn/hllm/hllm_files.h"
#include "learn/hllm/judgement.h"
#include "support/random_retriever.h"
#include "support/random_values.h"
#include "support/temporary_folder.h"
#include "support/tiny_tower.h"

namespace tandem {
namespace {

constexpr int64_t kItems = 12, kWidth = 16;

learn::TowerOrigin tower(bool words, uint64_t seed) {
  return {.weights = learn::random_weights(test::tiny_tower(kWidth, words), seed, 0.3),
          .tokenizer = {}};
}

void expect_parity(HllmRanking ranking) {
  SCOPED_TRACE(hllm_ranking_name(ranking));
  const learn::TowerOrigin item = tower(true, 1), user = tower(false, 2);
  learn::HllmExtras extras = learn::new_hllm_extras(kWidth, kWidth, 3);
  extras.time.emplace(3, kWidth, 3);
  extras.head.emplace(ranking, kWidth, 3);
  const HllmConfig config{
      .num_items = kItems, .width = kWidth, .max_length = 6, .time_width = 3, .ranking = ranking};
  const learn::Hllm model(config, learn::Llama(*item.weights, {.train_base = true}),
                          learn::Llama(*user.weights, {.train_base = true}), std::move(extras));
  const at::NoGradGuard no_grad;
  Rng rng(4);
  for (const learn::NamedParameter& parameter : model.parameters()) {
    float* values = parameter.value.data_ptr<float>();
    for (int64_t i = 0; i < parameter.value.numel(); ++i)
      values[i] += static_cast<float>(0.2 * rng.normal());
  }
  const test::TemporaryFolder folder;
  learn::write_hllm(folder.path(), model.config(), model.extras(), {}, item, &user,
                    model.parameters());

  engine::Matrix all(kItems + 1, kWidth);
  all.values = test::random_values((kItems + 1) * kWidth, 8);
  const at::Tensor vectors = at::tensor(all.values).view({kItems + 1, kWidth});
  const engine::Hllm engine(open_hllm(folder.path()), engine::ItemVectors(std::move(all)));
  std::vector<std::vector<int32_t>> items, candidates;
  std::vector<std::vector<int64_t>> times;
  learn::Judged judged;
  for (const int64_t length : {1, 4, 6}) {
    items.push_back(test::random_history(length, kItems, rng));
    candidates.push_back(test::random_history(3 + length, kItems, rng));
    times.emplace_back();
    for (const int32_t one : items.back()) {
      times.back().push_back(
          rng.below(4) == 0 ? 0 : 1000000000 + static_cast<int64_t>(rng.below(1 << 28)));
      judged.inputs.push_back(one);
      judged.times.push_back(times.back().back());
    }
    judged.candidates.insert(judged.candidates.end(), candidates.back().begin(),
                             candidates.back().end());
    judged.row_of.resize(judged.candidates.size(), std::ssize(judged.row_starts) - 1);
    judged.row_starts.push_back(std::ssize(judged.inputs));
  }
  std::vector<engine::History> histories;
  for (size_t i = 0; i < items.size(); ++i) histories.emplace_back(items[i], times[i]);
  ThreadPool pool(2);
  const auto found = engine.judge(histories, candidates, pool);
  const at::Tensor wanted =
      learn::judge(model, vectors, judged, learn::user_pass(model, vectors, judged));
  int64_t c = 0;
  for (const std::vector<float>& row : found)
    for (const float z : row) EXPECT_NEAR(z, wanted[c++].item<float>(), 2e-5);
  EXPECT_EQ(c, wanted.numel());
  EXPECT_GT(wanted.std().item<float>(), 0.05f);
}

TEST(HllmParity, JudgementsAtTheirTimes) {
  expect_parity(HllmRanking::kLate);
  expect_parity(HllmRanking::kEarly);
}

}  // namespace
}  // namespace tandem
