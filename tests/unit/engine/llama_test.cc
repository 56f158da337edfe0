// SPDX-License-Identifier: Apache-2.0
#include "engine/llama/llama.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/rng.h"
#include "engine/llama/generate.h"
#include "models/llama_init.h"
#include "support/llama_reference.h"
#include "support/random_retriever.h"

namespace tandem::engine {
namespace {

using test::LlamaReference;
using Tokens = std::vector<int32_t>;

// Rounding only: float32 sums of some ten terms through three layers against doubles, relative to
// the largest.
constexpr double kRounding = 5e-6;
// Bfloat16: operands of 8 bits through three layers. A wrong mask or position gives more than 0.3.
constexpr double kBf16Rounding = 8e-2;

double relative_difference(const Matrix& found, const LlamaReference::Rows& wanted) {
  EXPECT_EQ(found.rows, std::ssize(wanted));
  double largest = 0, scale = 0;
  for (int64_t r = 0; r < std::min(found.rows, std::ssize(wanted)); ++r) {
    EXPECT_EQ(found.columns, std::ssize(wanted[r]));
    for (int64_t c = 0; c < found.columns; ++c) {
      largest = std::max(largest, std::abs(double{found.row(r)[c]} - wanted[r][c]));
      scale = std::max(scale, std::abs(wanted[r][c]));
    }
  }
  return largest / scale;
}

// Appends rows [begin, end) of a model's scores after `tokens`.
void append(LlamaReference::Rows& rows, const LlamaReference& model, const Tokens& tokens,
            int64_t begin = 0) {
  const LlamaReference::Rows all = model.logits(tokens);
  rows.insert(rows.end(), all.begin() + begin, all.end());
}

Tokens random_tokens(int64_t count, uint64_t sample, uint64_t vocabulary = 61) {
  Rng rng(5, RngPurpose::kTest, 0, sample);
  Tokens tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(rng.below(vocabulary)));
  return tokens;
}

// The engine on the reference's weights.
struct Pair {
  explicit Pair(LlamaReference model, Precision precision = Precision::kFloat32)
      : reference(std::move(model)) {
    reference.write(folder.path());
    engine.emplace(folder.path(), fs::path(), precision);
  }
  Matrix logits(const Tokens& tokens, std::span<const LlamaSequence> sequences, ThreadPool& pool,
                int64_t last_rows = 0) const {
    return engine->logits(engine->hidden(engine->embed(tokens), sequences, last_rows, pool), pool);
  }
  Matrix logits(const Tokens& tokens, ThreadPool& pool) const {
    const LlamaSequence sequence{std::ssize(tokens)};
    return logits(tokens, {&sequence, 1}, pool);
  }

  test::TemporaryFolder folder;
  LlamaReference reference;
  std::optional<Llama> engine;
};

class LlamaTest : public testing::Test {
 protected:
  // Calls check(pair) for each variant, named in failures.
  template <typename Check>
  void each_variant(const Check& check, Precision precision = Precision::kFloat32) {
    for (const test::LlamaVariant& variant : test::llama_variants()) {
      SCOPED_TRACE(variant.name);
      check(Pair(LlamaReference::random(variant.config, 7), precision));
    }
  }
  Pair plain() const { return Pair(LlamaReference::random(test::llama_variants()[0].config, 7)); }

  ThreadPool pool_{2};
};

// A packed batch; 70 positions are more than one block of queries.
TEST_F(LlamaTest, PackedSequencesEqualTheReferenceOneByOne) {
  each_variant([&](const Pair& pair) {
    Tokens packed;
    LlamaReference::Rows want;
    std::vector<LlamaSequence> sequences;
    for (const int64_t length : {7, 1, 30, 0, 70}) {
      const Tokens tokens = random_tokens(length, static_cast<uint64_t>(length));
      packed.insert(packed.end(), tokens.begin(), tokens.end());
      sequences.push_back({length});
      append(want, pair.reference, tokens);
    }
    EXPECT_LT(relative_difference(pair.logits(packed, sequences, pool_), want), kRounding);
  });
}

TEST_F(LlamaTest, ACacheFedInPiecesEqualsTheReference) {
  each_variant([&](const Pair& pair) {
    const Tokens tokens = random_tokens(40, 2);
    KvCache cache = pair.engine->new_cache();
    Matrix got(0, 61);
    size_t begin = 0;
    for (const size_t count : {3u, 1u, 1u, 9u, 26u}) {
      const LlamaSequence piece{static_cast<int64_t>(count), &cache};
      const Tokens part(tokens.begin() + begin, tokens.begin() + begin + count);
      const Matrix rows = pair.logits(part, {&piece, 1}, pool_);
      got.values.insert(got.values.end(), rows.values.begin(), rows.values.end());
      got.rows += rows.rows;
      begin += count;
    }
    EXPECT_LT(relative_difference(got, pair.reference.logits(tokens)), kRounding);
    EXPECT_EQ(cache.length(), 40);
  });
}

TEST_F(LlamaTest, ContinuationsOfASharedPrefixEqualTheReference) {
  each_variant([&](const Pair& pair) {
    for (const int64_t before : {1, 3, 70}) {
      const Tokens prefix = random_tokens(before, 1);
      KvCache cache = pair.engine->new_cache();
      const LlamaSequence fed{before, &cache};
      pair.logits(prefix, {&fed, 1}, pool_, 1);
      Tokens packed;
      LlamaReference::Rows want;
      std::vector<LlamaSequence> sequences;
      for (const int64_t length : {4, 1, 9}) {
        const Tokens own = random_tokens(length, static_cast<uint64_t>(10 + length));
        packed.insert(packed.end(), own.begin(), own.end());
        sequences.push_back({length, nullptr, &cache});
        Tokens whole = prefix;
        whole.insert(whole.end(), own.begin(), own.end());
        append(want, pair.reference, whole, before);
      }
      EXPECT_LT(relative_difference(pair.logits(packed, sequences, pool_), want), kRounding)
          << before;
      EXPECT_EQ(cache.length(), before) << "a prefix stays as it is";
    }
  });
}

TEST_F(LlamaTest, WantedRowsAndLabelsEqualTheReference) {
  each_variant([&](const Pair& pair) {
    const Tokens a = random_tokens(20, 1), b = random_tokens(2, 2);
    Tokens packed = a;
    packed.insert(packed.end(), b.begin(), b.end());
    const std::vector<LlamaSequence> sequences = {{20}, {2}};
    LlamaReference::Rows want;  // three of the first, both of the second
    append(want, pair.reference, a, 17);
    append(want, pair.reference, b);
    const Llama& engine = *pair.engine;
    const Matrix last = engine.hidden(engine.embed(packed), sequences, 3, pool_);
    EXPECT_LT(relative_difference(engine.logits(last, pool_), want), kRounding);

    const Tokens labels = {60, 0, 57};
    for (LlamaReference::Vector& row : want) row = {row[60], row[0], row[57]};
    EXPECT_LT(relative_difference(engine.logits(last, labels, pool_), want), 2 * kRounding);
  });
}

TEST_F(LlamaTest, ACopiedCacheIsAnIndependentContinuation) {
  const Pair pair = plain();
  const Tokens prefix = random_tokens(9, 1);
  KvCache cache = pair.engine->new_cache();
  const LlamaSequence fed{9, &cache};
  pair.logits(prefix, {&fed, 1}, pool_, 1);
  KvCache other = cache;
  const std::vector<LlamaSequence> both = {{1, &cache}, {1, &other}};
  LlamaReference::Rows want;
  for (const int32_t next : {3, 4}) {
    Tokens whole = prefix;
    whole.push_back(next);
    append(want, pair.reference, whole, 9);
  }
  EXPECT_LT(relative_difference(pair.logits({3, 4}, both, pool_, 1), want), kRounding);
  cache.truncate(9);
  const LlamaSequence again{1, &cache};
  EXPECT_LT(relative_difference(pair.logits({4}, {&again, 1}, pool_, 1), {want[1]}), kRounding);
}

// Positions are data: counted up is the default, and only their distances matter to a rotation.
TEST_F(LlamaTest, PositionsMayBeGiven) {
  const Pair pair = plain();
  const Tokens tokens = random_tokens(5, 1);
  const auto logits = [&](const std::vector<int64_t>& positions) {
    const LlamaSequence sequence{.count = 5, .positions = positions};
    return pair.logits(tokens, {&sequence, 1}, pool_);
  };
  const Matrix counted = logits({});
  EXPECT_EQ(logits({0, 1, 2, 3, 4}).values, counted.values);
  EXPECT_LT(relative_difference(logits({7, 8, 9, 10, 11}), pair.reference.logits(tokens)),
            kRounding);
  const Matrix apart = logits({0, 1, 2, 9, 10});
  EXPECT_TRUE(std::equal(apart.row(0), apart.row(3), counted.row(0)));
  EXPECT_NE(apart.values, counted.values);
  EXPECT_THROW(logits({0, 1}), ShapeError);
}

TEST_F(LlamaTest, TheObserverSeesProbabilitiesThatAddUpToOne) {
  const Pair pair = plain();
  const Tokens tokens = random_tokens(6, 1);
  const LlamaSequence sequence{6};
  int seen = 0;
  pair.engine->hidden(pair.engine->embed(tokens), {&sequence, 1}, 0, pool_,
                      [&](const std::string& name, const Matrix& value) {
                        if (!name.ends_with(".attention")) return;
                        ++seen;
                        ASSERT_EQ(value.rows, 4 * 6);
                        for (int64_t r = 0; r < value.rows; ++r) {
                          double sum = 0;
                          for (int64_t c = 0; c < 6; ++c) {
                            sum += value.row(r)[c];
                            if (c > r % 6) {
                              EXPECT_EQ(value.row(r)[c], 0);
                            }
                          }
                          EXPECT_NEAR(sum, 1, 1e-5);
                        }
                      });
  EXPECT_EQ(seen, 3);
}

TEST_F(LlamaTest, Bfloat16IsCloseToTheReferenceAndNotFloat32) {
  each_variant(
      [&](const Pair& pair) {
        Tokens packed;
        LlamaReference::Rows want;
        std::vector<LlamaSequence> sequences;
        for (const int64_t length : {7, 1, 40}) {
          const Tokens tokens = random_tokens(length, static_cast<uint64_t>(length));
          packed.insert(packed.end(), tokens.begin(), tokens.end());
          sequences.push_back({length});
          append(want, pair.reference, tokens);
        }
        const double difference = relative_difference(pair.logits(packed, sequences, pool_), want);
        EXPECT_LT(difference, kBf16Rounding);
        EXPECT_GT(difference, 1e-4);
      },
      Precision::kBfloat16);
}

// A file in bfloat16 gives the bits that the same numbers give in float32.
TEST_F(LlamaTest, Bf16WeightsAreWidenedExactly) {
  LlamaConfig config = llama_preset("tiny");
  config.vocab_size = 101;
  const test::TemporaryFolder narrow, wide;
  write_random_llama(config, {.dtype = DType::kBf16, .stddev = 0.2}, narrow.path(), pool_);
  const HfFolder source(narrow.path());
  fs::copy_file(narrow.path() / "config.json", wide.path() / "config.json");
  write_hf_weights(wide.path(), llama_tensors(config), DType::kF32, 1 << 20,
                   [&](const TensorSpec& spec, std::span<std::byte> out) {
                     // A bfloat16 is the upper half of a float32.
                     const std::span<const std::byte> halves = source.at(spec.name).bytes;
                     for (size_t i = 0; i < out.size(); i += 4) {
                       out[i] = out[i + 1] = std::byte{0};
                       std::memcpy(&out[i + 2], &halves[i / 2], 2);
                     }
                   });
  const Tokens tokens = random_tokens(12, 1, 101);
  const LlamaSequence sequence{12};
  const auto logits = [&](const fs::path& folder) {
    const Llama model(folder);
    return model.logits(model.hidden(model.embed(tokens), {&sequence, 1}, 0, pool_), pool_).values;
  };
  EXPECT_EQ(logits(narrow.path()), logits(wide.path()));
}

TEST_F(LlamaTest, TheBitsDoNotDependOnTheNumberOfThreads) {
  Json config = test::llama_variants()[0].config;
  config["intermediate_size"] = 700;  // several tiles
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    const Pair pair(LlamaReference::random(config, 7), precision);
    for (const int64_t length : {1, 9, 150}) {
      const Tokens tokens = random_tokens(length, 3);
      ThreadPool one(1), three(3);
      const Matrix two = pair.logits(tokens, pool_);
      EXPECT_EQ(two.values, pair.logits(tokens, one).values) << length;
      EXPECT_EQ(two.values, pair.logits(tokens, three).values) << length;
    }
  }
}

TEST_F(LlamaTest, WrongInputsAreNamed) {
  const Pair pair = plain();
  const Llama& model = *pair.engine;
  EXPECT_THROW(model.embed(Tokens{3, 61}), DataError);
  EXPECT_THROW(model.embed(Tokens{-1}), DataError);
  const LlamaSequence two{2};
  EXPECT_THROW(model.hidden(Matrix(3, 24), {&two, 1}, 0, pool_), ShapeError);
  EXPECT_THROW(model.hidden(Matrix(2, 23), {&two, 1}, 0, pool_), ShapeError);
  EXPECT_THROW(generate(model, {}, {}, pool_), DataError);
  EXPECT_THROW(model.logits(Matrix(2, 24), Tokens{61}, pool_), DataError);
}

TEST_F(LlamaTest, WeightsThatDoNotFitTheConfigurationAreRefused) {
  const Pair pair = plain();
  for (const auto& [key, value] : {std::pair{"num_hidden_layers", 4},
                                   {"intermediate_size", 100},
                                   {"vocab_size", 500},
                                   {"num_key_value_heads", 1}}) {
    Json wrong = pair.reference.config;
    wrong[key] = value;
    write_json(pair.folder.path() / "config.json", wrong);
    EXPECT_THROW(Llama{pair.folder.path()}, FormatError) << key;
  }
}

}  // namespace
}  // namespace tandem::engine
