// SPDX-License-Identifier: Apache-2.0
#include "engine/hllm/hllm.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "engine/ops/unit_row.h"
#include "models/token_packs.h"

namespace tandem::engine {
namespace {

RetrieverModelConfig retriever_config(const HllmConfig& config, const ItemVectors& vectors) {
  if (vectors.width() != config.width)
    throw ShapeError("hllm: item vectors of {} numbers for a model of width {}", vectors.width(),
                     config.width);
  return {.model_type = kHllmModelType,
          .num_items = vectors.num_items(),
          .width = config.width,
          .max_length = config.max_length};
}

}  // namespace

Hllm::Hllm(const HllmFiles& files, ItemVectors vectors, Precision precision)
    : TableRetriever(retriever_config(files.config, vectors), unit_table(vectors), {}, {}),
      model_(files.user_tower, nullptr, precision),
      vectors_(std::move(vectors)),
      times_(files),
      head_(files) {}

Json Hllm::describe() const {
  return {{"model_type", kHllmModelType},
          {"num_items", num_items()},
          {"width", width()},
          {"layers", model_.config().num_layers},
          {"max_length", max_length()},
          {"times", reads_times()},
          {"ranking", hllm_ranking_name(ranking())}};
}

double Hllm::flops_per_position() const {
  return static_cast<double>(model_.config().flops_per_token(false));
}

void Hllm::last_states(std::span<const Inputs> asked, ThreadPool& pool, float* out) const {
  std::vector<int64_t> lengths;
  for (const auto& [window, tail] : asked)
    lengths.push_back(std::ssize(window) + (tail != nullptr ? 1 : 0));
  for (const TokenPack& pack : token_packs(lengths)) {
    std::vector<LlamaSequence> sequences;
    int64_t rows = 0;
    for (int64_t w = pack.begin; w < pack.end; ++w) {
      sequences.push_back({.count = lengths[w]});
      rows += lengths[w];
    }
    Matrix x(rows, width());
    int64_t row = 0;
    for (int64_t w = pack.begin; w < pack.end; ++w) {
      const auto& [window, tail] = asked[w];
      float* first = x.row(row);
      for (const int32_t item : window) vectors_.read(item, x.row(row++));
      times_.add(window.times(), first);
      if (tail != nullptr) std::copy_n(tail, width(), x.row(row++));
    }
    const Matrix states = model_.hidden(std::move(x), sequences, 1, pool);
    std::copy(states.values.begin(), states.values.end(), out + pack.begin * width());
  }
}

void Hllm::run(std::span<const History> windows, ThreadPool& pool, float* out) const {
  std::vector<Inputs> asked;
  for (const History& window : windows) asked.push_back({.window = window});
  last_states(asked, pool, out);
  for (int64_t w = 0; w < std::ssize(windows); ++w) make_unit(out + w * width(), width());
}

std::vector<std::vector<float>> Hllm::judge(std::span<const History> histories,
                                            std::span<const std::vector<int32_t>> candidates,
                                            ThreadPool& pool) const {
  TANDEM_CHECK(ranking() != HllmRanking::kNone && histories.size() == candidates.size());
  const bool late = ranking() == HllmRanking::kLate;
  const Windows shown = windows(histories);
  std::vector<Inputs> asked;
  std::vector<int32_t> items;  // of all candidates, end to end
  for (size_t h = 0; h < histories.size(); ++h) {
    for (const int32_t item : candidates[h])
      if (!knows(item))
        throw DataError("candidate {} is not among the model's items 1..{}", item, num_items());
    items.insert(items.end(), candidates[h].begin(), candidates[h].end());
    asked.resize(late ? h + 1 : items.size(), {.window = shown.rows[h]});
  }
  Matrix vectors(std::ssize(items), width());
  for (int64_t c = 0; c < vectors.rows; ++c) vectors_.read(items[c], vectors.row(c));
  for (size_t i = 0; i < asked.size(); ++i)
    asked[i].tail = late ? head_.user_token().data() : vectors.row(static_cast<int64_t>(i));
  Matrix states(std::ssize(asked), width());
  last_states(asked, pool, states.data());

  std::vector<std::vector<float>> z(histories.size());
  int64_t c = 0;
  for (size_t h = 0; h < histories.size(); ++h)
    for (size_t i = 0; i < candidates[h].size(); ++i, ++c)
      z[h].push_back(late ? head_.late(states.row(static_cast<int64_t>(h)), vectors.row(c))
                          : head_.early(states.row(c)));
  return z;
}

int64_t Hllm::numbers_per_position() const {
  return model_.config().num_layers * 2 * model_.config().kv_width();
}

int64_t Hllm::state_size(int64_t items) const {
  return std::min(items, max_length()) * numbers_per_position();
}

// The state's layout is [positions, layers, 2, key width], so that a position is added and dropped
// in one piece.
void Hllm::step(UserState& state, const Event& event, float* hidden) const {
  if (!knows(event.item))
    throw DataError("item {} is not among the model's items 1..{}", event.item, num_items());
  check_size(state);
  const int64_t layers = model_.config().num_layers, keys = model_.config().kv_width(),
                position = numbers_per_position();
  // The step itself is the window's newest position.
  const int64_t held = std::min(state.items, max_length() - 1);
  std::vector<float>& values = state.values;
  values.erase(values.begin(), values.end() - held * position);

  KvCache cache = model_.new_cache();
  cache.reserve(held + 1);
  Matrix k(held, keys), v(held, keys);
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (int64_t p = 0; p < held; ++p) {
      const float* at = values.data() + p * position + layer * 2 * keys;
      std::copy_n(at, keys, k.row(p));
      std::copy_n(at + keys, keys, v.row(p));
    }
    cache.append(layer, k, v, 0, held);
  }
  cache.advance(held);

  Matrix x(1, width());
  vectors_.read(event.item, x.data());
  times_.add({&event.time, 1}, x.data());
  ThreadPool pool(1);
  const int64_t at = state.items;
  const LlamaSequence sequence{.count = 1, .cache = &cache, .positions = {&at, 1}};
  const Matrix out = model_.hidden(std::move(x), {&sequence, 1}, 1, pool);
  std::copy_n(out.data(), width(), hidden);
  make_unit(hidden, width());

  values.resize(values.size() + static_cast<size_t>(position));
  float* added = values.data() + held * position;
  std::vector<KeySegment> segments;
  for (int64_t layer = 0; layer < layers; ++layer) {
    segments.clear();
    cache.add_segments(layer, held + 1, segments);
    const KeySegment& last = segments.back();
    std::copy_n(last.keys + (last.length - 1) * keys, keys, added + layer * 2 * keys);
    std::copy_n(last.values + (last.length - 1) * keys, keys, added + (layer * 2 + 1) * keys);
  }
  ++state.items;
}

}  // namespace tandem::engine
