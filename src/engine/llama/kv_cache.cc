// SPDX-License-Identifier: Apache-2.0
#include "engine/llama/kv_cache.h"

#include <algorithm>

#include "core/check.h"
#include "core/error.h"

namespace tandem::engine {

bool KvBudget::take(int64_t bytes) {
  int64_t before = used_;
  do {
    if (bytes > bytes_ - before) return false;
  } while (!used_.compare_exchange_weak(before, before + bytes));
  return true;
}

// [layers, 2, kBlock, width]: keys, then values.
struct KvCache::Block {
  Block(std::shared_ptr<KvBudget> from, int64_t count)
      : budget(std::move(from)),
        bytes(count * int64_t{sizeof(float)}),
        values(std::make_unique_for_overwrite<float[]>(static_cast<size_t>(count))) {}
  ~Block() {
    if (budget) budget->give_back(bytes);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  std::shared_ptr<KvBudget> budget;
  int64_t bytes;
  std::unique_ptr<float[]> values;
};

std::shared_ptr<KvCache::Block> KvCache::new_block() const {
  const int64_t count = num_layers_ * 2 * kBlock * width_;
  const int64_t bytes = count * int64_t{sizeof(float)};
  if (budget_ && !budget_->take(bytes))
    throw DataError("keys and values: {} positions more take {} bytes, {} of {} are left", kBlock,
                    bytes, budget_->bytes() - budget_->used(), budget_->bytes());
  return std::make_shared<Block>(budget_, count);
}

float* KvCache::rows(const Block& block, int64_t layer, int64_t part) const {
  return block.values.get() + (2 * layer + part) * kBlock * width_;
}

std::shared_ptr<KvCache::Block> KvCache::copy_of(const Block& block, int64_t count) const {
  std::shared_ptr<Block> copy = new_block();
  for (int64_t layer = 0; layer < num_layers_; ++layer)
    for (const int64_t part : {0, 1})
      std::copy_n(rows(block, layer, part), count * width_, rows(*copy, layer, part));
  return copy;
}

KvCache::KvCache(const KvCache& other)
    : num_layers_(other.num_layers_),
      width_(other.width_),
      length_(other.length_),
      budget_(other.budget_) {
  const int64_t full = length_ / kBlock, rest = length_ % kBlock;
  blocks_.assign(other.blocks_.begin(), other.blocks_.begin() + full);
  if (rest > 0) blocks_.push_back(copy_of(*other.blocks_[full], rest));
}

KvCache& KvCache::operator=(const KvCache& other) {
  if (this != &other) *this = KvCache(other);
  return *this;
}

void KvCache::reserve(int64_t count) {
  const auto wanted = static_cast<size_t>((length_ + count + kBlock - 1) / kBlock);
  const size_t before = blocks_.size();
  try {
    while (blocks_.size() < wanted) blocks_.push_back(new_block());
  } catch (...) {
    blocks_.resize(before);
    throw;
  }
}

void KvCache::append(int64_t layer, const Matrix& keys, const Matrix& values, int64_t begin,
                     int64_t count) {
  TANDEM_CHECK(length_ + count <= std::ssize(blocks_) * kBlock, "{} and {} positions of {}",
               length_, count, std::ssize(blocks_) * kBlock);
  for (int64_t done = 0; done < count;) {
    const int64_t position = length_ + done, within = position % kBlock;
    const int64_t some = std::min(count - done, kBlock - within);
    const Block& block = *blocks_[position / kBlock];
    std::copy_n(keys.row(begin + done), some * width_, rows(block, layer, 0) + within * width_);
    std::copy_n(values.row(begin + done), some * width_, rows(block, layer, 1) + within * width_);
    done += some;
  }
}

void KvCache::truncate(int64_t length) {
  if (length >= length_) return;
  const int64_t full = length / kBlock, rest = length % kBlock;
  if (rest > 0 && blocks_[full].use_count() > 1)  // shared as a full one
    blocks_[full] = copy_of(*blocks_[full], rest);
  std::atomic_thread_fence(std::memory_order_acquire);  // others' last reads came before
  length_ = length;
  blocks_.resize(full + (rest > 0 ? 1 : 0));
}

void KvCache::add_segments(int64_t layer, int64_t length, std::vector<KeySegment>& segments) const {
  for (int64_t begin = 0; begin < length; begin += kBlock) {
    const Block& block = *blocks_[begin / kBlock];
    segments.push_back(
        {rows(block, layer, 0), rows(block, layer, 1), std::min(kBlock, length - begin)});
  }
}

}  // namespace tandem::engine
