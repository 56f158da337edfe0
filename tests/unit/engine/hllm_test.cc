// SPDX-License-Identifier: Apache-2.0
#include "engine/hllm/hllm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/hllm/item_encoder.h"
#include "support/random_hllm.h"
#include "support/random_retriever.h"
#include "support/temporary_folder.h"

namespace tandem::engine {
namespace {

constexpr int64_t kVocabulary = 37, kItems = 30;

HllmConfig small(HllmPooling pooling = HllmPooling::kToken) {
  return {.num_items = kItems,
          .width = 24,
          .max_length = 6,
          .max_text_length = 12,
          .pooling = pooling,
          .shared_towers = false};
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max<double>(largest, std::abs(a[i] - b[i]));
  return largest;
}

// A random model over random vectors.
struct Sample {
  explicit Sample(const HllmConfig& config = small())
      : towers(test::write_random_hllm(folder.path(), config, config.width, kVocabulary, 3)),
        values(test::random_values((config.num_items + 1) * config.width, 8)) {
    Matrix all(config.num_items + 1, config.width);
    all.values = values;
    model = std::make_unique<Hllm>(open_hllm(folder.path()), ItemVectors(std::move(all)));
  }
  // What the slow twin says of a history: the last state's cosine with every vector.
  std::vector<double> scores(const std::vector<int32_t>& items) const {
    const int64_t width = model->width();
    test::LlamaReference reference = towers.user;
    auto& table = reference.weights["model.embed_tokens.weight"];
    table = {kItems + 1, width, {values.begin(), values.end()}};
    auto& head = reference.weights["lm_head.weight"];
    head = {width, width, std::vector<double>(static_cast<size_t>(width * width), 0.0)};
    for (int64_t d = 0; d < width; ++d) head.values[d * width + d] = 1;
    const std::vector<double> u = reference.logits(items).back();
    std::vector<double> cosines;
    for (int64_t n = 0; n <= kItems; ++n) {
      double dot = 0, uu = 0, ee = 0;
      for (int64_t d = 0; d < width; ++d) {
        const double e = values[n * width + d];
        dot += u[d] * e;
        uu += u[d] * u[d];
        ee += e * e;
      }
      cosines.push_back(dot / std::sqrt(uu * ee));
    }
    return cosines;
  }

  test::TemporaryFolder folder;
  test::RandomHllm towers;
  std::vector<float> values;
  std::unique_ptr<Hllm> model;
};

TEST(ItemEncoder, PackedEqualsOneTextAtATime) {
  ThreadPool pool(2);
  for (const HllmPooling pooling : {HllmPooling::kToken, HllmPooling::kMean}) {
    SCOPED_TRACE(hllm_pooling_name(pooling));
    HllmConfig config = small(pooling);
    config.has_projector = true;
    const test::TemporaryFolder folder;
    test::write_random_hllm(folder.path(), config, 16, kVocabulary, 5);
    const ItemEncoder encoder(open_hllm(folder.path()));
    const auto texts = test::random_texts(40, config.max_text_length, kVocabulary, 6);
    const Matrix all = encoder.encode(texts, pool);
    ASSERT_EQ(all.rows, 40);
    ASSERT_EQ(all.columns, config.width);
    for (int64_t i = 0; i < all.rows; ++i) {
      const Matrix one = encoder.encode(std::span(texts).subspan(i, 1), pool);
      EXPECT_LT(largest_difference(one.values, {all.row(i), 24}), 1e-5) << "text " << i;
    }
    ThreadPool single(1);
    EXPECT_EQ(encoder.encode(texts, single).values, all.values);
  }
}

TEST(ItemEncoder, MeanPoolingOfNoTokensIsZero) {
  ThreadPool pool(1);
  const test::TemporaryFolder folder;
  test::write_random_hllm(folder.path(), small(HllmPooling::kMean), 24, kVocabulary, 5);
  const std::vector<std::vector<int32_t>> texts = {{0}};
  EXPECT_THAT(ItemEncoder(open_hllm(folder.path())).encode(texts, pool).values,
              testing::Each(0.0f));
}

TEST(ItemEncoder, RefusesTextsThatAreNone) {
  ThreadPool pool(1);
  const test::TemporaryFolder folder;
  test::write_random_hllm(folder.path(), small(), 24, kVocabulary, 5);
  const ItemEncoder encoder(open_hllm(folder.path()));
  const auto encode = [&](const std::vector<int32_t>& text) {
    encoder.encode(std::vector<std::vector<int32_t>>{text}, pool);
  };
  EXPECT_THROW(encode({}), DataError);
  EXPECT_THROW(encode(std::vector<int32_t>(14, 1)), DataError);
  EXPECT_NO_THROW(encode(std::vector<int32_t>(13, 1)));
  EXPECT_THROW(encode({kVocabulary, 0}), DataError);
}

TEST(Hllm, ScoresAreTheTwinsCosines) {
  const Sample sample;
  ThreadPool pool(2);
  std::vector<std::vector<int32_t>> rows = {{}};
  Rng rng(4);
  for (const int64_t length : {1, 2, 5, 6, 9})
    rows.push_back(test::random_history(length, kItems, rng));
  const std::vector<History> histories(rows.begin(), rows.end());
  const std::vector<float> found = sample.model->score(histories, SeenItems::kNone, pool);
  for (size_t r = 0; r < rows.size(); ++r) {
    std::vector<int32_t> seen(rows[r].end() - std::min<int64_t>(6, std::ssize(rows[r])),
                              rows[r].end());
    if (seen.empty()) seen = {0};  // a new user
    const std::vector<double> wanted = sample.scores(seen);
    EXPECT_EQ(found[r * (kItems + 1)], kExcludedScore);
    for (int64_t item = 1; item <= kItems; ++item)
      EXPECT_NEAR(found[r * (kItems + 1) + item], wanted[item], 5e-6) << r << ", " << item;
  }
}

TEST(Hllm, PackedEqualsOneHistoryAtATimeOnAnyNumberOfThreads) {
  const Sample sample;
  ThreadPool pool(2), single(1);
  Rng rng(5);
  std::vector<std::vector<int32_t>> rows;
  for (int64_t length = 1; length <= 8; ++length)
    rows.push_back(test::random_history(length, kItems, rng));
  const std::vector<History> histories(rows.begin(), rows.end());
  const std::vector<float> all = sample.model->hidden(histories, pool);
  EXPECT_EQ(sample.model->hidden(histories, single), all);
  for (size_t r = 0; r < rows.size(); ++r) {
    const std::vector<float> one = sample.model->hidden({&histories[r], 1}, pool);
    EXPECT_LT(largest_difference(one, {all.data() + r * 24, 24}), 1e-6);
  }
}

TEST(Hllm, OneEventAtATimeEqualsTheFullPassUpToTheWindow) {
  const Sample sample;
  ThreadPool pool(1);
  const std::vector<int32_t> items = {3, 9, 1, 3, 30, 12};
  UserState state = sample.model->new_state();
  std::vector<float> stepped(24);
  for (size_t t = 0; t < items.size(); ++t) {
    sample.model->step(state, {.item = items[t]}, stepped.data());
    const History seen(std::span(items.data(), t + 1));
    EXPECT_LT(largest_difference(stepped, sample.model->hidden({&seen, 1}, pool)), 1e-6) << t;
    state = sample.model->from_bytes(sample.model->to_bytes(state));
  }
  EXPECT_EQ(std::ssize(state.values), 6 * 2 * 2 * 12);  // positions, layers, keys and values
}

// t = W_2 silu(W_1 [year .. second] + b_1) + b_2 of 2000-02-28 23:59:59, in double.
TEST(TimeEmbedding, IsTheTwins) {
  HllmConfig config = small();
  config.time_width = 3;
  const test::TemporaryFolder folder;
  test::write_random_hllm(folder.path(), config, 24, kVocabulary, 5);
  const HllmFiles files = open_hllm(folder.path());
  std::vector<double> fields;
  const int64_t rows[] = {2000, 2, 28, 23, 59, 59};
  for (size_t i = 0; i < 6; ++i)
    for (int64_t d = 0; d < 3; ++d) fields.push_back(files.time[i][rows[i] * 3 + d]);
  const auto layer = [&](size_t number, const std::vector<double>& x) {
    std::vector<double> y;
    for (size_t o = 0; o < 24; ++o) {
      y.push_back(files.time[number + 1][o]);
      for (size_t i = 0; i < x.size(); ++i) y.back() += files.time[number][o * x.size() + i] * x[i];
    }
    return y;
  };
  std::vector<double> inner = layer(6, fields);
  for (double& value : inner) value /= 1 + std::exp(-value);
  const std::vector<double> wanted = layer(8, inner);

  const int64_t times[] = {0, 951782399};
  std::vector<float> x(48, 1.0f);
  TimeEmbedding(files).add(times, x.data());
  for (size_t d = 0; d < 24; ++d) {
    EXPECT_EQ(x[d], 1.0f);  // a time that is not known
    EXPECT_NEAR(x[24 + d], 1 + wanted[d], 1e-5);
    EXPECT_GT(std::abs(wanted[d]), 1e-3);
  }
  const int64_t milliseconds[] = {951782399000};
  EXPECT_THROW(TimeEmbedding(files).add(milliseconds, x.data()), DataError);
}

TEST(Hllm, TimesAreReadByWindowsAndByEvents) {
  HllmConfig config = small();
  config.time_width = 3;
  const Sample sample(config);
  EXPECT_TRUE(sample.model->reads_times());
  EXPECT_FALSE(Sample().model->reads_times());
  ThreadPool pool(1);
  const std::vector<int32_t> items = {3, 9, 1, 3, 30, 12, 4};
  const std::vector<int64_t> times = {1000000000, 0, 1100000000, 1100000001, 1200000000, 7, 8};
  UserState state = sample.model->new_state();
  std::vector<float> stepped(24);
  for (size_t t = 0; t < 6; ++t) {
    sample.model->step(state, {.item = items[t], .time = times[t]}, stepped.data());
    const History seen({items.data(), t + 1}, {times.data(), t + 1});
    const std::vector<float> whole = sample.model->hidden({&seen, 1}, pool);
    EXPECT_LT(largest_difference(stepped, whole), 1e-6) << t;
    const History without(seen.items());
    EXPECT_GT(largest_difference(whole, sample.model->hidden({&without, 1}, pool)), 1e-2) << t;
  }
  // A window takes the times of its own items.
  const History all(items, times), newest = all.newest(6);
  EXPECT_EQ(sample.model->hidden({&all, 1}, pool), sample.model->hidden({&newest, 1}, pool));
}

TEST(Hllm, JudgesEachCandidateForItself) {
  for (const HllmRanking ranking : {HllmRanking::kLate, HllmRanking::kEarly}) {
    SCOPED_TRACE(hllm_ranking_name(ranking));
    HllmConfig config = small();
    config.ranking = ranking;
    const Sample sample(config);
    ThreadPool pool(2);
    const std::vector<std::vector<int32_t>> items = {{3, 9, 1}, {}, {30, 12, 4, 4, 7, 8, 9, 2}};
    const std::vector<History> histories(items.begin(), items.end());
    const std::vector<std::vector<int32_t>> candidates = {{5, 6, 30}, {1}, {9, 8, 7, 5}};
    const auto all = sample.model->judge(histories, candidates, pool);
    ASSERT_EQ(all.size(), 3u);
    for (size_t h = 0; h < all.size(); ++h) {
      ASSERT_EQ(all[h].size(), candidates[h].size());
      for (size_t c = 0; c < all[h].size(); ++c) {
        const std::vector<std::vector<int32_t>> one = {{candidates[h][c]}};
        EXPECT_NEAR(sample.model->judge({&histories[h], 1}, one, pool)[0][0], all[h][c], 1e-5);
      }
    }
    EXPECT_NE(all[0][0], all[0][1]);
    EXPECT_NE(all[0][0], all[2][3]);  // one item after two histories
    const std::vector<std::vector<int32_t>> none = {{kItems + 1}};
    EXPECT_THROW(sample.model->judge({&histories[0], 1}, none, pool), DataError);
  }
  EXPECT_EQ(Sample().model->ranking(), HllmRanking::kNone);
}

// After the window's end the state stays as large as it is, and a step sees max_length items: those
// before have no part in it but what the others' keys and values had seen of them.
TEST(Hllm, AfterTheWindowTheStateStaysBounded) {
  const Sample sample;
  std::vector<float> a(24), b(24);
  UserState state = sample.model->new_state();
  for (int32_t item = 1; item <= 20; ++item) {
    sample.model->step(state, {.item = item}, a.data());
    EXPECT_EQ(std::ssize(state.values), sample.model->state_size(item));
  }
  EXPECT_EQ(sample.model->state_size(20), sample.model->state_size(6));
  EXPECT_EQ(state.items, 20);
  // The oldest position that is held is about to leave: the next step does not look at it.
  UserState other = state;
  std::fill_n(other.values.begin(), 2 * 2 * 12, 1e3f);
  sample.model->step(state, {.item = 7}, a.data());
  sample.model->step(other, {.item = 7}, b.data());
  EXPECT_EQ(a, b);
  EXPECT_THROW(sample.model->step(state, {.item = kItems + 1}, a.data()), DataError);
}

TEST(Hllm, SharedTowersAreOneModel) {
  HllmConfig config = small();
  config.shared_towers = true;
  const Sample sample(config);
  EXPECT_FALSE(fs::exists(sample.folder.path() / kUserTowerFolder));
  ThreadPool pool(1);
  const std::vector<int32_t> items = {4, 2};
  const History history(items);
  const std::vector<float> found = sample.model->score({&history, 1}, SeenItems::kNone, pool);
  const std::vector<double> wanted = sample.scores(items);
  for (int64_t item = 1; item <= kItems; ++item) EXPECT_NEAR(found[item], wanted[item], 5e-6);
}

TEST(HllmFiles, RefusesPartsThatDoNotFit) {
  const auto refusal = [](const HllmConfig& config, int64_t item_width) -> std::string {
    const test::TemporaryFolder folder;
    test::write_random_hllm(folder.path(), config, item_width, kVocabulary, 5);
    try {
      open_hllm(folder.path());
      return "";
    } catch (const FormatError& error) {
      return std::string(error.what()).substr(folder.path().string().size());
    }
  };
  EXPECT_EQ(refusal(small(), 24), "");
  EXPECT_EQ(refusal(small(), 16),
            ": the Item LLM has width 16, the User LLM 24, and config.json has no projector "
            "between them");
  HllmConfig shared = small();
  shared.shared_towers = true;
  EXPECT_EQ(refusal(shared, 16), ": the User LLM has width 16, config.json says 24");
}

}  // namespace
}  // namespace tandem::engine
