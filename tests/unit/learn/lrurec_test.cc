// SPDX-License-Identifier: Apache-2.0
#include "learn/lrurec/lrurec.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <set>

#include "core/error.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

constexpr LruRecConfig kConfig{.num_items = 40, .width = 8};

PackedBatch batch_of(const std::vector<std::vector<int64_t>>& rows) {
  std::vector<int64_t> items, starts = {0};
  for (const auto& row : rows) {
    items.insert(items.end(), row.begin(), row.end());
    starts.push_back(static_cast<int64_t>(items.size()));
  }
  return {at::tensor(items), at::tensor(items), at::tensor(starts)};
}

TEST(LruRec, HasTheAuthorsParameters) {
  const LruRec model({.num_items = 10}, 1);
  int64_t reals = 0;
  std::set<std::string> names;
  for (const NamedParameter& parameter : model.parameters()) {
    reals += parameter.value.numel();
    names.insert(parameter.name);
    EXPECT_TRUE(parameter.value.is_leaf() && parameter.value.requires_grad()) << parameter.name;
  }
  EXPECT_EQ(reals, 133888 + 11 * 65);
  EXPECT_EQ(names.size(), 30u);
  EXPECT_TRUE(names.contains("model.lru_blocks.1.feed_forward.w_2.weight"));
}

TEST(LruRec, DecaysWeightsOnly) {
  const LruRec model(kConfig, 1);
  EXPECT_TRUE(model.decayed("model.lru_blocks.0.lru_layer.params_log"));
  EXPECT_TRUE(model.decayed("embedding.token.weight"));
  EXPECT_FALSE(model.decayed("model.bias"));
  EXPECT_FALSE(model.decayed("embedding.layer_norm.weight"));
}

TEST(LruRec, InitialValuesFollowThePaper) {
  const LruRec model({.num_items = 500}, 3);
  const at::Tensor table = model.item_table().detach().to(at::kDouble);
  EXPECT_LE(table.abs().max().item<double>(), 0.04 + 1e-9);
  EXPECT_NEAR(table.mean().item<double>(), 0, 5e-4);
  // A normal cut at two deviations has 0.8796 of its deviation.
  EXPECT_NEAR(table.std().item<double>(), 0.02 * 0.8796, 3e-4);
  for (const LruBlock& block : model.blocks()) {
    const at::Tensor log = block.params_log.detach().to(at::kDouble);
    const at::Tensor radius = log[0].exp().neg().exp();
    EXPECT_GT(radius.min().item<double>(), 0.8 - 1e-6);
    EXPECT_LT(radius.max().item<double>(), 0.99 + 1e-6);
    EXPECT_LT((log[2].exp().square() + radius.square() - 1).abs().max().item<double>(), 1e-5);
  }
  EXPECT_FALSE(at::equal(model.blocks()[0].params_log, model.blocks()[1].params_log));
  EXPECT_TRUE(at::equal(LruRec({.num_items = 500}, 3).item_table(), model.item_table()));
  EXPECT_FALSE(at::equal(LruRec({.num_items = 500}, 4).item_table(), model.item_table()));
}

TEST(LruRec, ARowDoesNotSeeItsNeighbours) {
  const LruRec model(kConfig, 1);
  const at::Tensor alone = model.hidden(batch_of({{0, 3, 5}}), nullptr);
  const at::Tensor among = model.hidden(batch_of({{7, 1}, {0, 3, 5}, {2}}), nullptr).slice(0, 2, 5);
  EXPECT_LT(test::relative_difference(among, alone), 1e-6);
}

TEST(LruRec, PaddingInFrontChangesNothing) {
  const LruRec model(kConfig, 1);
  const at::Tensor bare = model.hidden(batch_of({{3, 5, 9}}), nullptr);
  const at::Tensor padded = model.hidden(batch_of({{0, 0, 3, 5, 9}}), nullptr).slice(0, 2);
  EXPECT_LT(test::relative_difference(padded, bare), 1e-6);
}

TEST(LruRec, ThePastMattersAndTheFutureDoesNot) {
  const LruRec model(kConfig, 1);
  const at::Tensor a = model.hidden(batch_of({{3, 5, 9, 1}}), nullptr);
  const at::Tensor future = model.hidden(batch_of({{3, 5, 9, 2}}), nullptr);
  const at::Tensor past = model.hidden(batch_of({{4, 5, 9, 1}}), nullptr);
  EXPECT_TRUE(at::equal(a.slice(0, 0, 3), future.slice(0, 0, 3)));
  EXPECT_GT((a - past)[3].abs().max().item<double>(), 1e-6);
}

TEST(LruRec, DropoutIsRepeatableAndActs) {
  const LruRec model(kConfig, 1);
  const PackedBatch batch = batch_of({{0, 3, 5}, {7, 8}});
  const DropoutRng step4(1, 4), again(1, 4), step5(1, 5);
  const at::Tensor h = model.hidden(batch, &step4);
  EXPECT_TRUE(at::equal(h, model.hidden(batch, &again)));
  EXPECT_FALSE(at::equal(h, model.hidden(batch, &step5)));
  EXPECT_FALSE(at::equal(h, model.hidden(batch, nullptr)));
}

TEST(LruRec, RefusesBrokenBatchesAndSettings) {
  const LruRec model(kConfig, 1);
  PackedBatch batch = batch_of({{1, 2}, {3}});
  batch.row_starts = at::tensor({0, 2, 2, 3}, at::kLong);
  EXPECT_THROW(model.hidden(batch, nullptr), ShapeError);
  batch.row_starts = at::tensor({0, 2}, at::kLong);
  EXPECT_THROW(model.hidden(batch, nullptr), ShapeError);
  EXPECT_THROW(LruRec({.num_items = 0}, 1), ConfigError);
  EXPECT_THROW(LruRec({.num_items = 5, .dropout = 1.0}, 1), ConfigError);
}

}  // namespace
}  // namespace tandem::learn
