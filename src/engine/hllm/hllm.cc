// SPDX-License-Identifier: Apache-2.0
#include "engine/hllm/hllm.h"

#include <algorithm>
#include <utility>
#include <vector>

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
      times_(files) {}

Json Hllm::describe() const {
  return {{"model_type", kHllmModelType},
          {"num_items", num_items()},
          {"width", width()},
          {"layers", model_.config().num_layers},
          {"max_length", max_length()},
          {"times", reads_times()}};
}

double Hllm::flops_per_position() const {
  return static_cast<double>(model_.config().flops_per_token(false));
}

void Hllm::run(std::span<const History> windows, ThreadPool& pool, float* out) const {
  std::vector<int64_t> lengths;
  for (const History& window : windows) lengths.push_back(std::ssize(window));
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
      float* first = x.row(row);
      for (const int32_t item : windows[w]) vectors_.read(item, x.row(row++));
      times_.add(windows[w].times(), first);
    }
    const Matrix states = model_.hidden(std::move(x), sequences, 1, pool);
    std::copy(states.values.begin(), states.values.end(), out + pack.begin * width());
  }
  for (int64_t w = 0; w < std::ssize(windows); ++w) make_unit(out + w * width(), width());
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
