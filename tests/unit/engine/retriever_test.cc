// SPDX-License-Identifier: Apache-2.0
#include "engine/retriever.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "core/error.h"
#include "engine/lrurec/lrurec.h"
#include "engine/narm/narm.h"
#include "engine/sasrec/sasrec.h"
#include "support/random_retriever.h"

namespace tandem::engine {
namespace {

using test::random_history;
using test::random_weights;
using test::small_retriever;

std::vector<float> hidden_of(const Retriever& retriever, const std::vector<int32_t>& history) {
  ThreadPool pool(1);
  const History one[] = {history};
  return retriever.hidden(one, pool);
}

// Serving advances a user one event at a time; evaluation scans. They must agree, bit for bit.
RC_GTEST_PROP(LruRecState, OneStepAtATimeEqualsOneScan, ()) {
  static const LruRec retriever(random_weights(small_retriever("lrurec"), 11));
  const auto history = *rc::gen::resize(
      10, rc::gen::nonEmpty(rc::gen::container<std::vector<int32_t>>(rc::gen::inRange(1, 51))));
  UserState state = retriever.new_state();
  std::vector<float> hidden(12);
  for (size_t t = 0; t < history.size() && t < 10; ++t) {
    retriever.step(state, {.item = history[t]}, hidden.data());
    RC_ASSERT(hidden == hidden_of(retriever, {history.begin(),
                                              history.begin() + static_cast<int64_t>(t) + 1}));
  }
}

TEST(LruRecState, RemembersMoreThanTheWindow) {
  const LruRec retriever(random_weights(small_retriever("lrurec"), 11));
  Rng rng(2);
  const std::vector<int32_t> history = random_history(14, 50, rng);
  UserState state = retriever.new_state();
  std::vector<float> hidden(12);
  for (const int32_t item : history) retriever.step(state, {.item = item}, hidden.data());
  EXPECT_EQ(state.items, 14);
  EXPECT_NE(hidden, hidden_of(retriever, history));
}

RC_GTEST_PROP(NarmState, OneStepAtATimeEqualsOnePass, ()) {
  static const Narm retriever(random_weights(small_retriever("narm"), 11));
  const auto history = *rc::gen::resize(
      10, rc::gen::nonEmpty(rc::gen::container<std::vector<int32_t>>(rc::gen::inRange(1, 51))));
  UserState state = retriever.new_state();
  std::vector<float> hidden(12);
  for (size_t t = 0; t < history.size() && t < 10; ++t) {
    retriever.step(state, {.item = history[t]}, hidden.data());
    RC_ASSERT(hidden == hidden_of(retriever, {history.begin(),
                                              history.begin() + static_cast<int64_t>(t) + 1}));
  }
}

TEST(NarmState, AttendsToTheWindowAlone) {
  const Narm retriever(random_weights(small_retriever("narm"), 11));
  Rng rng(2);
  const std::vector<int32_t> history = random_history(14, 50, rng);
  UserState state = retriever.new_state();
  std::vector<float> hidden(12);
  for (const int32_t item : history) retriever.step(state, {.item = item}, hidden.data());
  EXPECT_EQ(state.items, 14);
  EXPECT_EQ(state.values.size(), 24u + 10u * 2 * 24);
  EXPECT_NE(hidden, hidden_of(retriever, history));  // the GRU remembers more
  EXPECT_THROW(retriever.step(state, {.item = 51}, hidden.data()), DataError);
}

// A store keeps bytes; what comes back goes on as if it had never left.
TEST(UserStates, GoThroughBytes) {
  const LruRec lru(random_weights(small_retriever("lrurec"), 11));
  const Narm narm(random_weights(small_retriever("narm"), 11));
  EXPECT_EQ(SasRec(random_weights(small_retriever("sasrec"), 11)).incremental(), nullptr);
  Rng rng(4);
  const std::vector<int32_t> history = random_history(13, 50, rng);
  for (const Retriever* retriever : std::initializer_list<const Retriever*>{&lru, &narm}) {
    const IncrementalRetriever* model = retriever->incremental();
    ASSERT_NE(model, nullptr);
    UserState kept = model->new_state(), stored = kept;
    std::vector<float> hidden(12), again(12);
    for (const int32_t item : history) {
      model->step(kept, {.item = item}, hidden.data());
      stored = model->from_bytes(model->to_bytes(stored));
      model->step(stored, {.item = item}, again.data());
      ASSERT_EQ(hidden, again);
    }
    std::vector<std::byte> bytes = model->to_bytes(stored);
    EXPECT_EQ(bytes.size(), 8 + 4 * static_cast<size_t>(model->state_size(13)));
    EXPECT_THROW(model->from_bytes(std::span(bytes).first(bytes.size() - 1)), FormatError);
    EXPECT_THROW(model->from_bytes(std::span(bytes).first(5)), FormatError);
    bytes[7] = std::byte{0x80};  // a negative number of items
    EXPECT_THROW(model->from_bytes(bytes), FormatError);
    bytes[7] = std::byte{0};
    for (size_t i = 8; i < 12; ++i) bytes[i] = std::byte{0xff};  // not a number
    EXPECT_THROW(model->from_bytes(bytes), FormatError);
    stored.values.pop_back();
    EXPECT_THROW(model->step(stored, {.item = 1}, again.data()), ShapeError);
  }
}

TEST(LruRec, PaddingBeforeARowChangesNothing) {
  const LruRec retriever(random_weights(small_retriever("lrurec"), 12));
  Rng rng(3);
  const std::vector<int32_t> history = random_history(6, 50, rng);
  std::vector<int32_t> padded = {0, 0, 0};
  padded.insert(padded.end(), history.begin(), history.end());
  const LruRec::Trace plain = retriever.trace(history), behind = retriever.trace(padded);
  for (size_t block = 0; block < 2; ++block) {
    const std::vector<float>& out = behind.ffn_outputs[block];
    EXPECT_EQ(std::vector<float>(out.begin() + 3 * 12, out.end()), plain.ffn_outputs[block]);
  }
  const std::vector<float>& last = plain.ffn_outputs[1];
  EXPECT_EQ(std::vector<float>(last.end() - 12, last.end()), hidden_of(retriever, history));
}

TEST(LruRec, ANewUserIsThePaddingItemAlone) {
  const LruRec retriever(random_weights(small_retriever("lrurec"), 12));
  const std::vector<int32_t> padding = {0, 0};
  const std::vector<float> out = retriever.trace(padding).ffn_outputs[1];
  EXPECT_EQ(hidden_of(retriever, {}), std::vector<float>(out.end() - 12, out.end()));
}

// The other properties hold for every retriever.
class AnyRetriever : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Retriever> retriever_ =
      make_retriever(random_weights(small_retriever(GetParam()), 13));
};

INSTANTIATE_TEST_SUITE_P(Models, AnyRetriever,
                         testing::Values("lrurec", "sasrec", "narm", "bert4rec", "hstu", "llmid"),
                         [](const auto& model) { return std::string(model.param); });

TEST_P(AnyRetriever, BatchOfOneEqualsBatchOfManyOnAnyNumberOfThreads) {
  Rng rng(4);
  std::vector<std::vector<int32_t>> rows;
  for (int64_t i = 0; i < 300; ++i)
    rows.push_back(random_history(static_cast<int64_t>(rng.below(14)), 50, rng));
  const std::vector<History> histories(rows.begin(), rows.end());
  std::vector<int32_t> targets = random_history(300, 50, rng);
  ThreadPool one(1), two(2);
  const std::vector<float> many = retriever_->hidden(histories, one);
  EXPECT_EQ(retriever_->hidden(histories, two), many);
  for (size_t row = 0; row < rows.size(); row += 7) {
    const std::vector<float> alone = hidden_of(*retriever_, rows[row]);
    EXPECT_TRUE(
        std::equal(alone.begin(), alone.end(), many.begin() + static_cast<int64_t>(row) * 12))
        << row;
  }
  const TopKAndRank a = retriever_->top_k_and_rank(histories, 5, targets, SeenItems::kWindow, one);
  const TopKAndRank b = retriever_->top_k_and_rank(histories, 5, targets, SeenItems::kWindow, two);
  EXPECT_EQ(a.top, b.top);
  EXPECT_EQ(a.ranks, b.ranks);
}

TEST_P(AnyRetriever, SeesTheNewestItemsOnly) {
  Rng rng(5);
  const int64_t seen = std::string(GetParam()) == "bert4rec" ? 9 : 10;  // and the mask
  const std::vector<int32_t> history = random_history(17, 50, rng);
  EXPECT_EQ(hidden_of(*retriever_, history),
            hidden_of(*retriever_, {history.end() - seen, history.end()}));
  EXPECT_NE(hidden_of(*retriever_, history),
            hidden_of(*retriever_, {history.end() - seen + 1, history.end()}));
}

TEST_P(AnyRetriever, OrderMatters) {
  EXPECT_NE(hidden_of(*retriever_, {1, 2, 3}), hidden_of(*retriever_, {2, 1, 3}));
}

TEST_P(AnyRetriever, ExcludesWhatItIsToldTo) {
  std::vector<int32_t> history;
  for (int32_t item = 1; item <= 20; ++item) history.push_back(item);
  const History one[] = {history};
  const size_t seen = std::string(GetParam()) == "bert4rec" ? 9 : 10;
  ThreadPool pool(1);
  const auto lowest = [&](SeenItems seen) {
    const std::vector<ScoredItem> top = retriever_->top_k(one, 50, seen, pool)[0];
    int32_t item = 99;
    for (const ScoredItem& found : top) item = std::min(item, found.item);
    return item;
  };
  EXPECT_EQ(lowest(SeenItems::kNone), 1);
  EXPECT_EQ(retriever_->top_k(one, 99, SeenItems::kNone, pool)[0].size(), 50u);
  EXPECT_EQ(retriever_->top_k(one, 99, SeenItems::kWindow, pool)[0].size(), 50u - seen);
  EXPECT_EQ(lowest(SeenItems::kHistory), 21);
  EXPECT_EQ(retriever_->score(one, SeenItems::kWindow, pool)[21 - seen], kExcludedScore);
  EXPECT_NE(retriever_->score(one, SeenItems::kWindow, pool)[20 - seen], kExcludedScore);
}

TEST_P(AnyRetriever, UnknownItemsAreErrors) {
  EXPECT_THROW(hidden_of(*retriever_, {1, 51}), DataError);
  EXPECT_THROW(hidden_of(*retriever_, {0}), DataError);
}

// A data set's numbers for the model's items: 17 are left out, 1 and 23 are new, the rest is turned
// around.
std::vector<int32_t> other_numbers() {
  std::vector<int32_t> items;
  for (int32_t item = 50; item >= 1; --item)
    if (item != 17) items.push_back(item);
  items.insert(items.begin(), 0);
  items.insert(items.begin() + 22, 0);
  return items;  // 51 of them
}

class RenumberedRetriever : public testing::TestWithParam<const char*> {
 protected:
  // The model's history in the new numbers, with a new item at its begin, within and at its end.
  std::vector<int32_t> renumbered(const std::vector<int32_t>& history) const {
    std::vector<int32_t> items = {1};
    for (const int32_t item : history) {
      items.push_back(static_cast<int32_t>(std::ranges::find(numbers_, item) - numbers_.begin()) +
                      1);
      if (items.size() == 3) items.push_back(23);
    }
    items.push_back(23);
    return items;
  }
  std::vector<int32_t> history_without_17(Rng& rng, int64_t length) const {
    std::vector<int32_t> history = random_history(length, 50, rng);
    std::ranges::replace(history, 17, 18);
    return history;
  }

  std::vector<int32_t> numbers_ = other_numbers();
  RetrieverWeights weights_ = random_weights(small_retriever(GetParam()), 14);
  std::unique_ptr<Retriever> model_ = make_retriever(weights_);
  std::unique_ptr<Retriever> same_ = make_retriever(weights_.renumbered(numbers_));
  ThreadPool pool_{2};
};

INSTANTIATE_TEST_SUITE_P(Models, RenumberedRetriever,
                         testing::Values("lrurec", "sasrec", "narm", "bert4rec", "hstu", "llmid"),
                         [](const auto& model) { return std::string(model.param); });

TEST_P(RenumberedRetriever, GivesEveryItemItsScoreUnderItsNewNumber) {
  Rng rng(8);
  ASSERT_EQ(same_->num_items(), 51);
  for (const int64_t length : {0, 1, 4, 9, 14}) {
    SCOPED_TRACE(length);
    const std::vector<int32_t> old_history = history_without_17(rng, length);
    const std::vector<int32_t> history = renumbered(old_history);
    EXPECT_EQ(hidden_of(*same_, history), hidden_of(*model_, old_history));
    const History before[] = {old_history}, now[] = {history};
    for (const SeenItems seen : {SeenItems::kNone, SeenItems::kWindow, SeenItems::kHistory}) {
      const auto old_scores = model_->score(before, seen, pool_);
      const auto scores = same_->score(now, seen, pool_);
      ASSERT_EQ(scores.size(), 52u);
      for (size_t i = 0; i < numbers_.size(); ++i) {
        const float wanted = numbers_[i] == 0 ? kExcludedScore : old_scores[numbers_[i]];
        EXPECT_EQ(scores[i + 1], wanted) << "item " << i + 1;
      }
    }
  }
}

TEST_P(RenumberedRetriever, NeverRecommendsNorRanksWhatItDoesNotKnow) {
  EXPECT_FALSE(same_->knows(0));
  EXPECT_FALSE(same_->knows(1));
  EXPECT_TRUE(same_->knows(2));
  EXPECT_FALSE(same_->knows(23));
  EXPECT_TRUE(same_->knows(51));
  EXPECT_FALSE(same_->knows(52));
  const std::vector<int32_t> history = {1, 2, 23};
  const History rows[] = {history, history};
  const std::vector<int32_t> targets = {23, 5};
  const TopKAndRank found = same_->top_k_and_rank(rows, 60, targets, SeenItems::kNone, pool_);
  EXPECT_EQ(found.top[0].size(), 49u);
  for (const ScoredItem& scored : found.top[0]) EXPECT_TRUE(same_->knows(scored.item));
  EXPECT_EQ(found.ranks[0].rank, 0);
  EXPECT_EQ(found.ranks[0].equal, 0);
  const auto place = std::ranges::find(found.top[1], 5, &ScoredItem::item);
  EXPECT_EQ(found.ranks[1].rank, place - found.top[1].begin() + 1);
}

TEST(RenumberedState, AnItemThatTheModelDoesNotKnowIsAnError) {
  const std::vector<int32_t> numbers = {0, 2};
  const LruRec lru(random_weights(small_retriever("lrurec"), 1).renumbered(numbers));
  const Narm narm(random_weights(small_retriever("narm"), 1).renumbered(numbers));
  UserState lru_state = lru.new_state();
  UserState narm_state = narm.new_state();
  std::vector<float> hidden(12);
  EXPECT_THROW(lru.step(lru_state, {.item = 1}, hidden.data()), DataError);
  EXPECT_THROW(narm.step(narm_state, {.item = 1}, hidden.data()), DataError);
  lru.step(lru_state, {.item = 2}, hidden.data());
  EXPECT_EQ(hidden, hidden_of(lru, {2}));
}

}  // namespace
}  // namespace tandem::engine
