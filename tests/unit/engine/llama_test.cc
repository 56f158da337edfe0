// SPDX-License-Identifier: Apache-2.0
#include "engine/llama/llama.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/rng.h"
#include "engine/llama/generate.h"
#include "models/llama_init.h"

namespace tandem {
namespace {

using Tokens = std::vector<int32_t>;

// Rounding only: float32 sums of a few hundred terms in another order, relative to the largest.
constexpr double kRounding = 5e-6;

double relative_difference(const Matrix& a, const Matrix& b) {
  EXPECT_EQ(a.values.size(), b.values.size());
  double largest = 0, scale = 0;
  for (size_t i = 0; i < std::min(a.values.size(), b.values.size()); ++i) {
    largest = std::max(largest, std::abs(double{a.values[i]} - b.values[i]));
    scale = std::max(scale, std::abs(double{b.values[i]}));
  }
  return largest / scale;
}

LlamaConfig tiny() {
  LlamaConfig config = llama_preset("tiny");
  config.vocab_size = 101;
  config.num_layers = 3;
  return config;
}

// The variants of the family, one of each kind.
std::vector<LlamaConfig> variants() {
  LlamaConfig llama2 = tiny(), llama3 = tiny(), mistral = tiny(), qwen2 = tiny(), qwen3 = tiny();
  llama2.num_kv_heads = llama2.num_heads;
  llama2.tied_head = false;
  llama3.rope_scaling = Llama3RopeScaling{8, 1, 4, 64};
  mistral.model_type = "mistral";
  mistral.windows = {5, 5, 5};
  qwen2.model_type = "qwen2";
  qwen2.qkv_bias = true;
  qwen3.model_type = "qwen3";
  qwen3.qk_norm = true;
  qwen3.head_dim = 24;
  return {llama2, llama3, mistral, qwen2, qwen3};
}

class LlamaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("tandem_llama_" + std::to_string(::getpid()));
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Weights so large that attention is not flat.
  Llama make(const LlamaConfig& config, LlamaInit init = {.stddev = 0.2}) {
    write_random_llama(config, init, {folder_, kModelFolder, true}, pool_);
    return Llama(folder_);
  }

  Tokens random_tokens(int64_t count, uint64_t sample) {
    Rng rng(5, RngPurpose::kTest, 0, sample);
    Tokens tokens;
    for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(rng.below(101)));
    return tokens;
  }

  Matrix logits(const Llama& model, const Tokens& tokens, ThreadPool& pool) {
    const LlamaSequence sequence{static_cast<int64_t>(tokens.size())};
    return model.logits(model.hidden(model.embed(tokens), {&sequence, 1}, 0, pool), pool);
  }

  fs::path folder_;
  ThreadPool pool_{1};
};

TEST_F(LlamaTest, CacheFedInPiecesEqualsOnePass) {
  for (const LlamaConfig& config : variants()) {
    const Llama model = make(config);
    Rng rng(11, RngPurpose::kTest, 0, static_cast<uint64_t>(config.head_dim));
    for (int round = 0; round < 6; ++round) {
      const Tokens tokens = random_tokens(1 + static_cast<int64_t>(rng.below(40)), round);
      const Matrix want = logits(model, tokens, pool_);
      KvCache cache = model.new_cache();
      Matrix got(0, config.vocab_size);
      for (size_t at = 0; at < tokens.size();) {
        const size_t count = 1 + rng.below(std::min<uint64_t>(9, tokens.size() - at));
        const LlamaSequence piece{static_cast<int64_t>(count), &cache};
        const auto part = std::span(tokens).subspan(at, count);
        const Matrix rows =
            model.logits(model.hidden(model.embed(part), {&piece, 1}, 0, pool_), pool_);
        got.values.insert(got.values.end(), rows.values.begin(), rows.values.end());
        at += count;
      }
      EXPECT_LT(relative_difference(got, want), kRounding)
          << config.model_type << ", " << tokens.size() << " tokens";
      EXPECT_EQ(cache.length(), static_cast<int64_t>(tokens.size()));
    }
  }
}

TEST_F(LlamaTest, ContinuationsOfASharedPrefixEqualWholePasses) {
  for (const LlamaConfig& config : variants()) {
    const Llama model = make(config);
    for (const int64_t before : {1, 3, 70}) {  // 70: more than one block of queries
      const Tokens prefix = random_tokens(before, 1);
      KvCache cache = model.new_cache();
      const LlamaSequence fed{before, &cache};
      model.hidden(model.embed(prefix), {&fed, 1}, 1, pool_);
      Tokens packed;
      Matrix want(0, config.vocab_size);
      std::vector<LlamaSequence> sequences;
      for (const int64_t length : {4, 1, 9}) {
        const Tokens own = random_tokens(length, static_cast<uint64_t>(10 + length));
        packed.insert(packed.end(), own.begin(), own.end());
        sequences.push_back({length, nullptr, &cache});
        Tokens whole = prefix;
        whole.insert(whole.end(), own.begin(), own.end());
        const Matrix alone = logits(model, whole, pool_);
        want.values.insert(want.values.end(), alone.row(before), alone.row(before + length));
      }
      const Matrix got =
          model.logits(model.hidden(model.embed(packed), sequences, 0, pool_), pool_);
      EXPECT_LT(relative_difference(got, want), kRounding) << config.model_type << ", " << before;
      EXPECT_EQ(cache.length(), before) << "a prefix stays as it is";
    }
  }
}

TEST_F(LlamaTest, PackedSequencesDoNotSeeEachOther) {
  const Llama model = make(variants()[2]);
  Tokens packed;
  Matrix want(0, 101);
  std::vector<LlamaSequence> sequences;
  for (const int64_t length : {7, 1, 30, 0, 65}) {
    const Tokens tokens = random_tokens(length, static_cast<uint64_t>(length));
    packed.insert(packed.end(), tokens.begin(), tokens.end());
    sequences.push_back({length});
    const Matrix alone = logits(model, tokens, pool_);
    want.values.insert(want.values.end(), alone.values.begin(), alone.values.end());
  }
  const Matrix got = model.logits(model.hidden(model.embed(packed), sequences, 0, pool_), pool_);
  EXPECT_LT(relative_difference(got, want), kRounding);
}

TEST_F(LlamaTest, WantedRowsAndLabelsEqualThoseOfTheFullPass) {
  const Llama model = make(variants()[4]);
  const Tokens a = random_tokens(20, 1), b = random_tokens(2, 2);
  Tokens packed = a;
  packed.insert(packed.end(), b.begin(), b.end());
  const std::vector<LlamaSequence> sequences = {{20}, {2}};
  const Matrix full = model.logits(model.hidden(model.embed(packed), sequences, 0, pool_), pool_);
  const Matrix last = model.hidden(model.embed(packed), sequences, 3, pool_);
  ASSERT_EQ(last.rows, 5);  // three of the first, both of the second
  Matrix want(5, 101);
  std::copy_n(full.row(17), 5 * 101, want.data());
  EXPECT_LT(relative_difference(model.logits(last, pool_), want), kRounding);

  const Tokens labels = {100, 0, 57};
  const Matrix some = model.logits(last, labels, pool_);
  for (int64_t r = 0; r < 5; ++r)
    for (size_t l = 0; l < labels.size(); ++l)
      EXPECT_NEAR(some.row(r)[l], want.row(r)[labels[l]], 1e-4) << r << ", " << l;
}

TEST_F(LlamaTest, TheBitsDoNotDependOnTheNumberOfThreads) {
  LlamaConfig config = tiny();
  config.intermediate_size = 700;  // several tiles
  const Llama model = make(config);
  const Tokens tokens = random_tokens(150, 3);
  ThreadPool two(2), three(3);
  const Matrix one = logits(model, tokens, pool_);
  EXPECT_EQ(one.values, logits(model, tokens, two).values);
  EXPECT_EQ(one.values, logits(model, tokens, three).values);
}

TEST_F(LlamaTest, ACopiedCacheIsAnIndependentContinuation) {
  const Llama model = make(tiny());
  const Tokens prefix = random_tokens(9, 1);
  KvCache cache = model.new_cache();
  const LlamaSequence fed{9, &cache};
  model.hidden(model.embed(prefix), {&fed, 1}, 1, pool_);
  KvCache other = cache;
  const Tokens next = {3, 4};
  const std::vector<LlamaSequence> both = {{1, &cache}, {1, &other}};
  const Matrix got = model.logits(model.hidden(model.embed(next), both, 1, pool_), pool_);
  for (const int64_t r : {0, 1}) {
    Tokens whole = prefix;
    whole.push_back(next[r]);
    const Matrix full = logits(model, whole, pool_);
    for (int64_t v = 0; v < 101; ++v) EXPECT_NEAR(got.row(r)[v], full.row(9)[v], 1e-4);
  }
  cache.truncate(9);
  const LlamaSequence again{1, &cache};
  const Tokens four = {4};
  const Matrix repeated =
      model.logits(model.hidden(model.embed(four), {&again, 1}, 1, pool_), pool_);
  for (int64_t v = 0; v < 101; ++v) EXPECT_NEAR(repeated.row(0)[v], got.row(1)[v], 1e-4);
}

TEST_F(LlamaTest, Bf16WeightsAreWidenedExactly) {
  const Tokens tokens = random_tokens(12, 1);
  const Matrix half = logits(make(tiny(), {.dtype = DType::kBf16, .stddev = 0.2}), tokens, pool_);
  const HfFolder narrow(folder_);
  const fs::path wide = folder_.string() + "_wide";
  fs::create_directory(wide);
  fs::copy_file(folder_ / "config.json", wide / "config.json");
  write_hf_weights(wide, llama_tensors(tiny()), DType::kF32, 1 << 20,
                   [&](const TensorSpec& spec, std::span<std::byte> out) {
                     const std::vector<float> values = StoredTensor(narrow.at(spec.name)).read();
                     std::memcpy(out.data(), values.data(), out.size());
                   });
  EXPECT_EQ(half.values, logits(Llama(wide), tokens, pool_).values);
  fs::remove_all(wide);
}

// Bfloat16: sums of another order round another way now and then, by 2^-8 of one operand. Two such
// runs differ by about 1e-2 of the largest logit, by a wrong mask or position by more than 0.3.
constexpr double kBf16Rounding = 2e-2;

TEST_F(LlamaTest, Bfloat16IsCloseToFloat32AndNotTheSame) {
  for (const LlamaConfig& config : variants()) {
    const Matrix exact = logits(make(config), random_tokens(50, 1), pool_);
    const Llama half(folder_, {}, Precision::kBfloat16);
    const double difference = relative_difference(logits(half, random_tokens(50, 1), pool_), exact);
    EXPECT_LT(difference, 5e-2) << config.model_type;  // 8 bits through three layers
    EXPECT_GT(difference, 1e-4) << config.model_type;
  }
}

TEST_F(LlamaTest, Bfloat16BitsDoNotDependOnTheNumberOfThreads) {
  LlamaConfig config = tiny();
  config.intermediate_size = 700;  // several tiles
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    make(config, {.dtype = dtype, .stddev = 0.2});
    const Llama model(folder_, {}, Precision::kBfloat16);
    for (const int64_t length : {1, 9, 150}) {
      const Tokens tokens = random_tokens(length, 3);
      ThreadPool two(2), three(3);
      const Matrix one = logits(model, tokens, pool_);
      EXPECT_EQ(one.values, logits(model, tokens, two).values) << length;
      EXPECT_EQ(one.values, logits(model, tokens, three).values) << length;
    }
  }
}

TEST_F(LlamaTest, Bfloat16PackedAndCachedEqualsAlone) {
  for (const LlamaConfig& config : variants()) {
    make(config, {.dtype = DType::kBf16, .stddev = 0.2});
    const Llama model(folder_, {}, Precision::kBfloat16);
    Tokens packed;
    Matrix want(0, 101), cached(0, 101);
    std::vector<LlamaSequence> sequences;
    for (const int64_t length : {7, 1, 30, 65}) {
      const Tokens tokens = random_tokens(length, static_cast<uint64_t>(length));
      packed.insert(packed.end(), tokens.begin(), tokens.end());
      sequences.push_back({length});
      const Matrix alone = logits(model, tokens, pool_);
      want.values.insert(want.values.end(), alone.values.begin(), alone.values.end());
      KvCache cache = model.new_cache();
      for (size_t at = 0; at < tokens.size(); at += 20) {
        const auto part = std::span(tokens).subspan(at, std::min<size_t>(20, tokens.size() - at));
        const LlamaSequence piece{std::ssize(part), &cache};
        const Matrix rows =
            model.logits(model.hidden(model.embed(part), {&piece, 1}, 0, pool_), pool_);
        cached.values.insert(cached.values.end(), rows.values.begin(), rows.values.end());
      }
    }
    const Matrix got = model.logits(model.hidden(model.embed(packed), sequences, 0, pool_), pool_);
    EXPECT_LT(relative_difference(got, want), kBf16Rounding) << config.model_type;
    EXPECT_LT(relative_difference(cached, want), kBf16Rounding) << config.model_type;
  }
}

TEST_F(LlamaTest, WrongInputsAreNamed) {
  const Llama model = make(tiny());
  const Tokens beyond = {3, 101};
  EXPECT_THROW(model.embed(beyond), DataError);
  EXPECT_THROW(model.embed(Tokens{-1}), DataError);
  const LlamaSequence two{2};
  EXPECT_THROW(model.hidden(Matrix(3, 64), {&two, 1}, 0, pool_), ShapeError);
  EXPECT_THROW(model.hidden(Matrix(2, 63), {&two, 1}, 0, pool_), ShapeError);
  EXPECT_THROW(generate(model, {}, {}, pool_), DataError);
}

TEST_F(LlamaTest, WeightsThatDoNotFitTheConfigurationAreRefused) {
  make(tiny());
  Json json = read_json(folder_ / "config.json");
  for (const auto& [key, value] : {std::pair{"num_hidden_layers", 4},
                                   {"intermediate_size", 100},
                                   {"vocab_size", 500},
                                   {"num_key_value_heads", 1}}) {
    Json wrong = json;
    wrong[key] = value;
    write_json(folder_ / "config.json", wrong);
    EXPECT_THROW(Llama{folder_}, FormatError) << key;
  }
}

TEST(SampleToken, FollowsTemperatureTopKAndTopP) {
  const std::vector<float> logits = {0, 2, 1, 2};
  EXPECT_EQ(sample_token(logits, {}, 0), 1);  // of equal ones the lowest
  std::vector<int> drawn(4), few(4), nucleus(4);
  for (int64_t n = 0; n < 4000; ++n) {
    ++drawn[sample_token(logits, {.temperature = 1}, n)];
    ++few[sample_token(logits, {.temperature = 1, .top_k = 2}, n)];
    ++nucleus[sample_token(logits, {.temperature = 1, .top_p = 0.9}, n)];
  }
  // Probabilities e^0, e^2, e^1, e^2 over their sum: 0.054, 0.400, 0.147, 0.400; six sigma are
  // 0.05.
  EXPECT_NEAR(drawn[0] / 4000.0, 0.054, 0.022);
  EXPECT_NEAR(drawn[1] / 4000.0, 0.400, 0.047);
  EXPECT_NEAR(drawn[2] / 4000.0, 0.147, 0.034);
  EXPECT_EQ(few[0] + few[2], 0);
  EXPECT_GT(nucleus[2], 0);
  EXPECT_EQ(nucleus[0], 0);
}

}  // namespace
}  // namespace tandem
