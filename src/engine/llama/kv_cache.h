// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ops/matrix.h"

namespace tandem::engine {

// The rotated keys and the values of one sequence's positions so far, by layer. A copy is an
// independent continuation of the same prefix. Grows with the sequence, also where layers see a
// window only. Bytes: LlamaConfig::kv_cache_bytes_per_token(4) a position.
class KvCache {
 public:
  KvCache(int64_t num_layers, int64_t width)
      : width_(width),
        keys_(static_cast<size_t>(num_layers)),
        values_(static_cast<size_t>(num_layers)) {}

  int64_t length() const { return length_; }
  int64_t width() const { return width_; }
  int64_t num_layers() const { return static_cast<int64_t>(keys_.size()); }
  const float* keys(int64_t layer) const { return keys_[layer].data(); }  // [length, width]
  const float* values(int64_t layer) const { return values_[layer].data(); }

  // Puts rows [begin, begin + count) behind the layer's positions. They count once all layers have
  // them and advance() is called; what a failed pass left behind is overwritten by the next.
  void append(int64_t layer, const Matrix& keys, const Matrix& values, int64_t begin,
              int64_t count) {
    append(keys_[layer], keys.row(begin), count);
    append(values_[layer], values.row(begin), count);
  }
  void advance(int64_t count) { length_ += count; }
  // Forgets all positions from `length` on.
  void truncate(int64_t length) { length_ = length < length_ ? length : length_; }

 private:
  void append(std::vector<float>& rows, const float* more, int64_t count) const {
    rows.resize(static_cast<size_t>(length_ * width_));
    rows.insert(rows.end(), more, more + count * width_);
  }

  int64_t width_, length_ = 0;
  std::vector<std::vector<float>> keys_, values_;
};

}  // namespace tandem::engine
