// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "engine/ops/attention.h"
#include "engine/ops/matrix.h"

namespace tandem::engine {

// Bytes that the caches of a process may take together. Safe to use from several threads.
class KvBudget {
 public:
  explicit KvBudget(int64_t bytes = std::numeric_limits<int64_t>::max()) : bytes_(bytes) {}

  int64_t bytes() const { return bytes_; }
  int64_t used() const { return used_; }
  // False, and nothing taken, when fewer are left.
  bool take(int64_t bytes);
  void give_back(int64_t bytes) { used_ -= bytes; }

 private:
  const int64_t bytes_;
  std::atomic<int64_t> used_ = 0;
};

// The rotated keys and the values of one sequence's positions so far, by layer, in blocks of kBlock
// positions: it grows without moving what it has, also where layers see a window only. A copy is an
// independent continuation of the same prefix; it shares the full blocks, which nobody writes, and
// copies the last one. Bytes: LlamaConfig::kv_cache_bytes_per_token(4) a position, whole blocks.
class KvCache {
 public:
  static constexpr int64_t kBlock = 256;

  // Blocks are taken from the budget, which may be null for none.
  KvCache(int64_t num_layers, int64_t width, std::shared_ptr<KvBudget> budget = nullptr)
      : num_layers_(num_layers), width_(width), budget_(std::move(budget)) {}
  KvCache(const KvCache& other);
  KvCache& operator=(const KvCache& other);
  KvCache(KvCache&&) = default;
  KvCache& operator=(KvCache&&) = default;

  int64_t length() const { return length_; }
  int64_t width() const { return width_; }
  int64_t num_layers() const { return num_layers_; }

  // Makes room for `count` positions more; DataError, and no change, when the budget has no bytes
  // for them.
  void reserve(int64_t count);
  // Puts rows [begin, begin + count) of a layer after its positions; room for them was reserved.
  // They count once all layers have them and advance() is called; what a failed pass left is
  // overwritten by the next.
  void append(int64_t layer, const Matrix& keys, const Matrix& values, int64_t begin,
              int64_t count);
  void advance(int64_t count) { length_ += count; }
  // Forgets all positions from `length` on.
  void truncate(int64_t length);

  // The first `length` positions of a layer, appended ones included, after what is in `segments`.
  void add_segments(int64_t layer, int64_t length, std::vector<KeySegment>& segments) const;

 private:
  struct Block;
  std::shared_ptr<Block> new_block() const;
  std::shared_ptr<Block> copy_of(const Block& block, int64_t count) const;
  // Where a layer's keys or values (part 0, 1) begin in a block.
  float* rows(const Block& block, int64_t layer, int64_t part) const;

  int64_t num_layers_, width_, length_ = 0;
  std::shared_ptr<KvBudget> budget_;
  std::vector<std::shared_ptr<Block>> blocks_;  // the last may be part full, and is nobody else's
};

}  // namespace tandem::engine
