// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/hllm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "core/error.h"
#include "learn/hllm/first_layers.h"
#include "learn/hllm/item_encoding.h"
#include "learn/hllm/judged_ranks.h"
#include "learn/hllm/step.h"
#include "learn/ops/nce_loss.h"
#include "support/tiny_tower.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

using test::relative_difference;

constexpr int64_t kWhole = int64_t{1} << 40;

Llama tower(int64_t width, bool words, uint64_t seed) {
  return {*random_weights(test::tiny_tower(width, words), seed, 0.3), {.train_base = true}};
}

Hllm model(HllmPooling pooling = HllmPooling::kToken, int64_t item_width = 16,
           const std::vector<std::string>& frozen = {}) {
  return {{.num_items = 12, .width = 16, .pooling = pooling, .has_projector = item_width != 16},
          tower(item_width, true, 1),
          tower(16, false, 2),
          new_hllm_extras(item_width, 16, 3),
          frozen};
}

// Of items 0 to 12, 2 to 8 tokens each.
ItemTokens texts() {
  Rng rng(4);
  ItemTokens tokens;
  for (int item = 0; item <= 12; ++item) {
    auto& text = tokens.emplace_back();
    for (int i = 0; i < 2 + item % 7; ++i) text.push_back(static_cast<int32_t>(rng.below(40)));
  }
  return tokens;
}

struct Rows {
  std::vector<std::vector<int32_t>> items{{1, 2, 3, 4}, {5}, {6, 2, 7}};
  std::vector<std::vector<int64_t>> times{
      {1000000000, 1000000060, 0, 1100000000}, {5}, {1200000000, 1200003600, 1300000000}};
  std::vector<ContrastiveRow> rows{3};

  Rows() {
    const std::vector<int32_t> negatives[] = {{8, 9, 8}, {10, 11}, {1, 12}};
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].shown.items = items[i];
      rows[i].shown.times = times[i];
      rows[i].negatives = negatives[i];
    }
  }
};

// Loss and gradients of a step, users taken in `parts` parts.
std::vector<at::Tensor> step(const Hllm& model, int64_t chunk, size_t parts) {
  for (const NamedParameter& parameter : model.parameters())
    parameter.value.mutable_grad() = at::Tensor();
  const Rows rows;
  const ItemTokens tokens = texts();
  const HllmItems items(rows.rows);
  ItemEncoding encoding(model, tokens, items.items, chunk, alone());
  ContrastFigures found;
  for (size_t part = 0; part < parts; ++part) {
    const size_t begin = rows.rows.size() * part / parts,
                 end = rows.rows.size() * (part + 1) / parts;
    found.add(add_position_gradients(model, items, encoding.vectors(),
                                     std::span(rows.rows).subspan(begin, end - begin), {},
                                     {.position = 0.2, .row = 0.5}));
  }
  encoding.backward();
  std::vector<at::Tensor> result{at::tensor(found.loss)};
  for (const NamedParameter& parameter : model.parameters())
    result.push_back(parameter.value.grad().clone());
  EXPECT_EQ(found.positions, 5);
  return result;
}

TEST(Hllm, ChunksAndPartsChangeNothing) {
  for (const HllmPooling pooling : {HllmPooling::kToken, HllmPooling::kMean}) {
    const Hllm hllm = model(pooling);
    const std::vector<at::Tensor> whole = step(hllm, kWhole, 1);
    test::expect_all_close(step(hllm, 9, 1), whole, 1e-5);
    test::expect_all_close(step(hllm, kWhole, 3), whole, 1e-5);
  }
}

// Against the loss as the paper writes it, every text and history for itself.
TEST(Hllm, StepEqualsThePaper) {
  const Hllm hllm = model();
  const double found = step(hllm, kWhole, 1)[0].item<double>() / 5;
  at::NoGradGuard no_grad;
  const ItemTokens tokens = texts();
  const auto vector = [&](int32_t item) {
    const std::vector<int64_t> ids(tokens[item].begin(), tokens[item].end());
    return hllm.encode({at::tensor(ids, at::kLong),
                        at::tensor(std::vector<int64_t>{0, std::ssize(ids)}, at::kLong)});
  };
  const Rows rows;
  std::vector<at::Tensor> negatives;
  for (const ContrastiveRow& row : rows.rows)
    for (const int32_t item : row.negatives) negatives.push_back(vector(item));
  const at::Tensor table = unit_rows(at::cat(negatives));
  double sum = 0;
  for (const ContrastiveRow& row : rows.rows) {
    for (size_t seen = 1; seen < row.shown.items.size(); ++seen) {
      std::vector<at::Tensor> history;
      for (size_t i = 0; i < seen; ++i) history.push_back(vector(row.shown.items[i]));
      const at::Tensor user = unit_rows(hllm.user_states(
          at::cat(history),
          at::tensor(std::vector<int64_t>{0, static_cast<int64_t>(seen)}, at::kLong),
          at::tensor(std::vector<int64_t>{static_cast<int64_t>(seen) - 1}, at::kLong)));
      const double scale = hllm.logit_scale().exp().item<double>();
      const double right =
          scale * user.mul(unit_rows(vector(row.shown.items[seen]))).sum().item<double>();
      double total = std::exp(right);
      int64_t j = 0;
      for (const ContrastiveRow& other : rows.rows) {
        for (const int32_t item : other.negatives) {
          if (item != row.shown.items[seen])
            total += std::exp(scale * user.mul(table[j]).sum().item<double>());
          ++j;
        }
      }
      sum += std::log(total) - right;
    }
  }
  EXPECT_NEAR(found, sum / 5, 1e-5);
}

TEST(Hllm, ProjectorJoinsTowersOfTwoWidths) {
  const Hllm hllm = model(HllmPooling::kToken, 24);
  EXPECT_EQ(encode_all_items(hllm, texts(), kWhole, alone()).size(1), 16);
  const std::vector<at::Tensor> found = step(hllm, kWhole, 1);
  size_t projectors = 0;
  for (size_t i = 0; i < hllm.parameters().size(); ++i) {
    if (hllm.parameters()[i].name != "projector.weight") continue;
    EXPECT_GT(found[i + 1].abs().max().item<float>(), 0);
    ++projectors;
  }
  EXPECT_EQ(projectors, 1u);
  EXPECT_THROW(
      Hllm({.width = 16}, tower(24, true, 1), tower(16, false, 2), new_hllm_extras(16, 16, 3)),
      ConfigError);
}

// The second layer begins with zeros: the model with times starts as the one without.
TEST(TimeEmbedding, StartsSilentAndIsTrained) {
  const auto timed = [] {
    HllmExtras extras = new_hllm_extras(16, 16, 3);
    extras.time.emplace(4, 16, 3);
    return Hllm({.num_items = 12, .width = 16, .time_width = 4}, tower(16, true, 1),
                tower(16, false, 2), std::move(extras));
  };
  const Hllm with = timed();
  const std::vector<at::Tensor> plain = step(model(), kWhole, 1), first = step(with, kWhole, 1);
  EXPECT_TRUE(first[0].equal(plain[0]));
  EXPECT_FALSE(model().user_inputs(plain[0], {}).requires_grad());

  // Away from the start every parameter that the times reach has the gradient of the loss.
  Rng rng(6);
  for (const NamedParameter& parameter : with.extras().time->parameters()) {
    at::NoGradGuard no_grad;
    at::Tensor value = parameter.value;
    value.add_(test::random_tensor(value.sizes(), rng, at::kFloat), 0.3);
  }
  const std::vector<at::Tensor> found = step(with, kWhole, 1);
  EXPECT_GT(std::abs(found[0].item<double>() - plain[0].item<double>()), 1e-3);
  for (size_t i = 0; i < with.parameters().size(); ++i) {
    const auto& [name, value] = with.parameters()[i];
    if (!name.starts_with("time_")) continue;
    at::NoGradGuard no_grad;
    const at::Tensor gradient = found[i + 1];
    const int64_t place = gradient.abs().argmax().item<int64_t>();
    float* at = value.data_ptr<float>() + place;
    const auto loss = [&](float change) {
      const float before = *at;
      *at = before + change;
      at::AutoGradMode grad(true);
      const double sum = step(with, kWhole, 1)[0].item<double>();
      *at = before;
      return sum;
    };
    // The step weighs its sum by 0.2.
    EXPECT_NEAR(0.2 * (loss(1e-2f) - loss(-1e-2f)) / 2e-2,
                gradient.view({-1})[place].item<double>(), 2e-3)
        << name;
    EXPECT_GT(gradient.abs().max().item<float>(), 1e-4f) << name;
  }
}

Hllm judging(HllmRanking ranking) {
  HllmExtras extras = new_hllm_extras(16, 16, 3);
  extras.head.emplace(ranking, 16, 3);
  Hllm hllm({.num_items = 12, .width = 16, .ranking = ranking}, tower(16, true, 1),
            tower(16, false, 2), std::move(extras));
  at::NoGradGuard no_grad;
  Rng rng(8);
  for (const NamedParameter& parameter : hllm.extras().head->parameters()) {
    at::Tensor value = parameter.value;
    value.add_(test::random_tensor(value.sizes(), rng, at::kFloat), 0.2);
  }
  return hllm;
}

// The [USER] token is seen by no item, so the contrast is that of the model that does not judge;
// chunks and parts change nothing; and the head's gradients are those of the loss.
TEST(RankingHead, JudgesBesideTheContrast) {
  const double plain = step(model(), kWhole, 1)[0].item<double>();
  for (const HllmRanking ranking : {HllmRanking::kLate, HllmRanking::kEarly}) {
    SCOPED_TRACE(hllm_ranking_name(ranking));
    const Hllm hllm = judging(ranking);
    const std::vector<at::Tensor> whole = step(hllm, kWhole, 1);
    EXPECT_NEAR(whole[0].item<double>(), plain, 1e-5);
    test::expect_all_close(step(hllm, 9, 1), whole, 1e-5);
    test::expect_all_close(step(hllm, kWhole, 3), whole, 1e-5);
    const auto judgement = [&] {
      const Rows rows;
      const ItemTokens tokens = texts();
      const HllmItems items(rows.rows);
      ItemEncoding encoding(hllm, tokens, items.items, kWhole, alone());
      return add_position_gradients(hllm, items, encoding.vectors(), rows.rows, {},
                                    {.position = 0, .row = 0.5})
          .judgement;
    };
    for (const NamedParameter& parameter : hllm.extras().head->parameters()) {
      const auto found =
          std::ranges::find(hllm.parameters(), parameter.name, &NamedParameter::name);
      const at::Tensor gradient = whole[1 + (found - hllm.parameters().begin())];
      const int64_t place = gradient.abs().argmax().item<int64_t>();
      float* at = parameter.value.data_ptr<float>() + place;
      const float before = *at;
      *at = before + 3e-3f;
      const double above = judgement();
      *at = before - 3e-3f;
      const double below = judgement();
      *at = before;
      EXPECT_NEAR((above - below) / 6e-3, gradient.view({-1})[place].item<double>(), 2e-3)
          << parameter.name;
      EXPECT_GT(gradient.abs().max().item<float>(), 1e-3f) << parameter.name;
    }
  }
}

TEST(JudgedRanks, CountTiesHalf) {
  const JudgedRanks found{.candidates = 5, .halves = {0, 2, 3, 8}};  // ranks 1, 2, 2.5, 5
  EXPECT_DOUBLE_EQ(found.auc(), (1 + 0.75 + 0.625 + 0) / 4);
  EXPECT_DOUBLE_EQ(found.ndcg(2), (1 + 1 / std::log2(3.0)) / 4);
  EXPECT_EQ((JudgedRanks{.candidates = 5, .halves = {}}).auc(), 0);
}

TEST(TimeEmbedding, AddsNothingWhereNoTimeIsKnown) {
  Rng rng(7);
  const TimeEmbedding fresh(4, 16, 3);
  std::vector<std::vector<float>> values;
  for (const NamedParameter& parameter : fresh.parameters())
    values.emplace_back(static_cast<size_t>(parameter.value.numel()), 0.5f);
  const TimeEmbedding time(4, 16, values);
  const at::Tensor x = test::random_tensor({3, 16}, rng, at::kFloat);
  const at::Tensor found =
      time.added_to(x, at::tensor(std::vector<int64_t>{0, 1000000000, 0}, at::kLong));
  EXPECT_TRUE(found[0].equal(x[0]));
  EXPECT_FALSE(found[1].equal(x[1]));
  EXPECT_TRUE(found[2].equal(x[2]));
  EXPECT_THROW(time.added_to(x, at::tensor(std::vector<int64_t>{0, 1000000000000, 0}, at::kLong)),
               DataError);
}

TEST(Hllm, FreezesByPrefix) {
  const Hllm hllm = model(HllmPooling::kToken, 16, {"item_llm.", "item_emb_tokens"});
  EXPECT_FALSE(hllm.trains_items());
  for (const NamedParameter& parameter : hllm.parameters())
    EXPECT_TRUE(parameter.name.starts_with("user_llm.") || parameter.name == "logit_scale")
        << parameter.name;
  EXPECT_TRUE(model().trains_items());
}

TEST(Hllm, SharedTowersAreOne) {
  const Hllm hllm({.num_items = 12, .width = 16, .shared_towers = true}, tower(16, true, 1), {},
                  new_hllm_extras(16, 16, 3));
  std::set<std::string> names;
  for (const NamedParameter& parameter : hllm.parameters()) names.insert(parameter.name);
  EXPECT_EQ(names.size(), hllm.parameters().size());
  EXPECT_FALSE(std::ranges::any_of(
      names, [](const std::string& name) { return name.starts_with("user_llm."); }));
  step(hllm, kWhole, 1);
}

TEST(FirstLayers, KeepsTheFirst) {
  const LlamaConfig config = test::tiny_tower(16, true);
  const Llama all(*random_weights(config, 1), {}),
      one(*first_layers(random_weights(config, 1), 1, "item.layers"), {});
  EXPECT_EQ(one.blocks().size(), 1u);
  EXPECT_EQ(first_layers(random_weights(config, 1), 0, "item.layers")->config().num_layers, 2);
  EXPECT_THROW(first_layers(random_weights(config, 1), 3, "item.layers"), ConfigError);
}

}  // namespace
}  // namespace tandem::learn
