// SPDX-License-Identifier: Apache-2.0
#include "engine/llama/llama.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/check.h"
#include "core/error.h"
#include "engine/kernels/vector_ops.h"
#include "engine/ops/attention.h"
#include "engine/ops/rms_norm.h"
#include "models/llama_adapter.h"

namespace tandem::engine {
namespace {

void add_to(Matrix& x, const Matrix& y) {
  for (size_t i = 0; i < x.values.size(); ++i) x.values[i] += y.values[i];
}

Matrix take_rows(const Matrix& x, std::span<const int64_t> rows) {
  Matrix taken(static_cast<int64_t>(rows.size()), x.columns);
  for (int64_t r = 0; r < taken.rows; ++r) std::copy_n(x.row(rows[r]), x.columns, taken.row(r));
  return taken;
}

Matrix copy_block(const Matrix& x, int64_t begin, int64_t count) {
  Matrix block(count, x.columns);
  std::copy_n(x.row(begin), count * x.columns, block.data());
  return block;
}

}  // namespace

struct LlamaPass {
  // Where a sequence's rows lie, before and after unwanted rows are dropped, and how many of its
  // positions came before them.
  struct Place {
    int64_t first_row, count, wanted_first_row, wanted_count, before;
  };

  const LlamaConfig& config;
  std::span<const LlamaSequence> sequences;
  ThreadPool& pool;
  const LlamaObserver& observer;
  std::vector<Place> places;
  std::vector<int64_t> wanted;  // rows of x, ascending
  Rope rope, wanted_rope;       // of all rows, of the wanted ones

  void observe(int64_t layer, std::string_view what, const Matrix& value) const {
    if (observer) observer(fmt::format("layers.{}{}", layer, what), value);
  }
};

namespace {

LlamaPass plan_pass(const LlamaConfig& config, std::span<const double> inverse_frequencies,
                    int64_t rows, std::span<const LlamaSequence> sequences, int64_t last_rows,
                    ThreadPool& pool, const LlamaObserver& observer) {
  std::vector<LlamaPass::Place> places;
  std::vector<int64_t> wanted, positions, wanted_positions;
  for (const LlamaSequence& sequence : sequences) {
    if (sequence.count < 0) throw ShapeError("llama: a sequence of {} rows", sequence.count);
    if (sequence.cache && sequence.prefix)
      throw ShapeError("llama: a sequence with a cache and a prefix, expected one of them");
    const KvCache* cache = sequence.cache ? sequence.cache : sequence.prefix;
    if (cache && (cache->num_layers() != config.num_layers || cache->width() != config.kv_width()))
      throw ShapeError("llama: the cache has {} layers of {}, the model {} of {}",
                       cache->num_layers(), cache->width(), config.num_layers, config.kv_width());
    if (!sequence.positions.empty() && std::ssize(sequence.positions) != sequence.count)
      throw ShapeError("llama: {} positions for {} rows", sequence.positions.size(),
                       sequence.count);
    const int64_t before = cache ? cache->length() : 0;
    if (sequence.cache) sequence.cache->reserve(sequence.count);
    const int64_t take = last_rows > 0 ? std::min(last_rows, sequence.count) : sequence.count;
    const auto first = static_cast<int64_t>(positions.size());
    places.push_back({first, sequence.count, static_cast<int64_t>(wanted.size()), take, before});
    for (int64_t i = 0; i < sequence.count; ++i) {
      positions.push_back(sequence.positions.empty() ? before + i : sequence.positions[i]);
      if (i < sequence.count - take) continue;
      wanted.push_back(first + i);
      wanted_positions.push_back(positions.back());
    }
  }
  if (static_cast<int64_t>(positions.size()) != rows)
    throw ShapeError("llama: {} rows for sequences of {} in all", rows, positions.size());
  return {config,
          sequences,
          pool,
          observer,
          std::move(places),
          std::move(wanted),
          Rope(positions, inverse_frequencies),
          Rope(wanted_positions, inverse_frequencies)};
}

}  // namespace

Matrix LlamaLayer::forward(Matrix x, int64_t layer, LlamaPass& pass, bool only_wanted) const {
  const Matrix attended = attention(x, layer, pass, only_wanted);
  if (only_wanted) x = take_rows(x, pass.wanted);  // [Q, D]
  add_to(x, attended);
  const auto eps = static_cast<float>(pass.config.rms_norm_eps);
  const Matrix fed = mlp(rms_norm(x, post_attention_norm, eps, pass.pool), pass.pool);
  pass.observe(layer, ".mlp", fed);
  add_to(x, fed);
  pass.observe(layer, "", x);
  return x;
}

Matrix LlamaLayer::attention(const Matrix& x, int64_t layer, LlamaPass& pass,
                             bool only_wanted) const {
  const LlamaConfig& config = pass.config;
  const auto eps = static_cast<float>(config.rms_norm_eps);
  ThreadPool& pool = pass.pool;
  const Matrix normed = rms_norm(x, input_norm, eps, pool);
  Matrix q = q_proj.apply(only_wanted ? take_rows(normed, pass.wanted) : normed, pool);
  Matrix k = k_proj.apply(normed, pool);
  const Matrix v = v_proj.apply(normed, pool);
  pass.observe(layer, ".q_proj", q);
  pass.observe(layer, ".k_proj", k);
  pass.observe(layer, ".v_proj", v);
  if (head_norms) {
    q = rms_norm(q, head_norms->query, eps, pool);
    k = rms_norm(k, head_norms->key, eps, pool);
  }
  (only_wanted ? pass.wanted_rope : pass.rope).rotate(q, pool);
  pass.rope.rotate(k, pool);

  std::vector<AttentionSequence> sequences;
  for (size_t i = 0; i < pass.sequences.size(); ++i) {
    const LlamaPass::Place& place = pass.places[i];
    const int64_t queries = only_wanted ? place.wanted_count : place.count;
    AttentionSequence sequence{
        .first_row = only_wanted ? place.wanted_first_row : place.first_row,
        .segments = {},
        .ranges = causal_ranges(place.before + place.count - queries, queries, window)};
    KvCache* cache = pass.sequences[i].cache;
    if (cache) cache->append(layer, k, v, place.first_row, place.count);
    if (cache && place.before > 0) {
      cache->add_segments(layer, place.before + place.count, sequence.segments);
    } else {
      if (const KvCache* prefix = pass.sequences[i].prefix)
        prefix->add_segments(layer, place.before, sequence.segments);
      sequence.segments.push_back({k.row(place.first_row), v.row(place.first_row), place.count});
    }
    sequences.push_back(std::move(sequence));
  }
  const AttentionShape shape{config.num_heads, config.num_kv_heads, config.head_dim};
  Matrix probabilities;
  if (pass.observer && !sequences.empty())
    probabilities =
        Matrix(config.num_heads * std::ssize(sequences[0].ranges), sequences[0].length());
  const Matrix mixed =
      engine::attention(shape, q, sequences, pool, pass.observer ? probabilities.data() : nullptr);
  pass.observe(layer, ".attention", probabilities);
  Matrix out = o_proj.apply(mixed, pool);
  pass.observe(layer, ".o_proj", out);
  return out;
}

// In blocks of rows, because the inner width is the widest of the model: 1024 rows of Llama 2 7B
// take 90 MB where a packed batch of 20 prompts would take a gigabyte.
Matrix LlamaLayer::mlp(const Matrix& x, ThreadPool& pool) const {
  constexpr int64_t kRows = 1024;
  Matrix out(x.rows, x.columns);
  for (int64_t begin = 0; begin < x.rows; begin += kRows) {
    const Matrix block = copy_block(x, begin, std::min(kRows, x.rows - begin));
    Matrix gate = gate_proj.apply(block, pool);
    const Matrix up = up_proj.apply(block, pool);
    pool.parallel_for(gate.rows,
                      [&](int64_t r, int) { silu_multiply(gate.row(r), up.row(r), gate.columns); });
    const Matrix down = down_proj.apply(gate, pool);
    std::copy(down.values.begin(), down.values.end(), out.row(begin));
  }
  return out;
}

namespace {

void add_adapter(const PeftFolder* adapter, const std::string& name, LinearWeight& weight) {
  const PeftModule* module = adapter ? adapter->find(name) : nullptr;
  if (!module) return;
  weight.add_low_rank({.rank = module->rank,
                       .a = module->a.read(),
                       .b = module->b.read(),
                       .scale = static_cast<float>(module->scale)});
}

}  // namespace

Llama::Llama(const fs::path& model, const fs::path& adapter, Precision precision) {
  const auto lora = adapter.empty() ? std::nullopt : std::make_optional<const PeftFolder>(adapter);
  *this = Llama(open_llama(model), lora ? &*lora : nullptr, precision);
}

Llama::Llama(std::shared_ptr<const LlamaSource> source, const PeftFolder* adapter,
             Precision precision)
    : source_(std::move(source)),
      config_(source_->config()),
      inverse_frequencies_(config_.inverse_frequencies()) {
  std::map<std::string, TensorSpec> specs;  // a bias beyond the configuration is no part of it
  for (TensorSpec& spec : llama_tensors(config_)) specs.emplace(spec.name, spec);
  if (adapter) check_adapter(*adapter, config_);
  const auto linear = [&](const std::string& name) {
    const auto bias_spec = specs.find(name + ".bias");
    std::optional<StoredTensor> bias;
    if (bias_spec != specs.end()) bias = source_->tensor(bias_spec->second);
    LinearWeight weight(source_->tensor(specs.at(name + ".weight")), bias ? &*bias : nullptr,
                        precision);
    add_adapter(adapter, name, weight);
    return weight;
  };
  const auto vector = [&](const std::string& name) {
    return source_->tensor(specs.at(name)).read();
  };
  if (config_.has_embedding) embedding_ = linear("model.embed_tokens");
  for (int64_t i = 0; i < config_.num_layers; ++i) {
    const std::string prefix = llama_layer_prefix(i);
    LlamaLayer layer{.input_norm = vector(prefix + "input_layernorm.weight"),
                     .post_attention_norm = vector(prefix + "post_attention_layernorm.weight"),
                     .q_proj = linear(prefix + "self_attn.q_proj"),
                     .k_proj = linear(prefix + "self_attn.k_proj"),
                     .v_proj = linear(prefix + "self_attn.v_proj"),
                     .o_proj = linear(prefix + "self_attn.o_proj"),
                     .gate_proj = linear(prefix + "mlp.gate_proj"),
                     .up_proj = linear(prefix + "mlp.up_proj"),
                     .down_proj = linear(prefix + "mlp.down_proj"),
                     .head_norms = {},
                     .window = config_.window(i)};
    if (config_.qk_norm) {
      layer.head_norms = HeadNorms{.query = vector(prefix + "self_attn.q_norm.weight"),
                                   .key = vector(prefix + "self_attn.k_norm.weight")};
    }
    layers_.push_back(std::move(layer));
  }
  norm_ = vector("model.norm.weight");
  if (!config_.has_head) return;
  head_ = config_.tied_head ? embedding_ : linear("lm_head");
  if (config_.tied_head) add_adapter(adapter, "lm_head", head_);
}

Matrix Llama::embed(std::span<const int32_t> tokens) const {
  Matrix x(static_cast<int64_t>(tokens.size()), config_.hidden_size);
  for (int64_t r = 0; r < x.rows; ++r) {
    if (tokens[r] < 0 || tokens[r] >= config_.vocab_size)
      throw DataError("llama: token {} at position {}, expected 0 to {}", tokens[r], r,
                      config_.vocab_size - 1);
    embedding_.copy_row(tokens[r], x.row(r));
  }
  return x;
}

Matrix Llama::hidden(Matrix x, std::span<const LlamaSequence> sequences, int64_t last_rows,
                     ThreadPool& pool, const LlamaObserver& observer) const {
  if (x.columns != config_.hidden_size)
    throw ShapeError("llama: rows of {}, expected {}", x.columns, config_.hidden_size);
  LlamaPass pass =
      plan_pass(config_, inverse_frequencies_, x.rows, sequences, last_rows, pool, observer);
  if (observer) observer("embedding", x);
  for (int64_t i = 0; i < config_.num_layers; ++i) {
    const bool only_wanted = last_rows > 0 && i + 1 == config_.num_layers;
    x = layers_[i].forward(std::move(x), i, pass, only_wanted);
  }
  for (const LlamaSequence& sequence : sequences)
    if (sequence.cache) sequence.cache->advance(sequence.count);
  x = rms_norm(x, norm_, static_cast<float>(config_.rms_norm_eps), pool);
  if (observer) observer("norm", x);
  return x;
}

Matrix Llama::logits(const Matrix& hidden, ThreadPool& pool) const {
  return head_.apply(hidden, pool);
}

Matrix Llama::logits(const Matrix& hidden, std::span<const int32_t> tokens,
                     ThreadPool& pool) const {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= config_.vocab_size)
      throw DataError("llama: label token {}, expected 0 to {}", token, config_.vocab_size - 1);
  }
  return head_.apply(hidden, tokens, pool);
}

}  // namespace tandem::engine
