// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/item_encoding.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>

#include "learn/distributed/sum_over.h"

namespace tandem::learn {
namespace {

PackedTokens packed_texts(const ItemTokens& tokens, std::span<const int32_t> items) {
  int64_t total = 0;
  for (const int32_t item : items) total += std::ssize(tokens[item]);
  PackedTokens packed{.tokens = at::empty({total}, at::kLong),
                      .row_starts = at::empty({std::ssize(items) + 1}, at::kLong)};
  int64_t* id = packed.tokens.data_ptr<int64_t>();
  int64_t* start = packed.row_starts.data_ptr<int64_t>();
  *start = 0;
  for (const int32_t item : items) {
    id = std::copy(tokens[item].begin(), tokens[item].end(), id);
    start[1] = start[0] + std::ssize(tokens[item]);
    ++start;
  }
  return packed;
}

// Chunks of about equal size, so that every process has one where there are enough items.
std::vector<TokenPack> chunks(const ItemTokens& tokens, std::span<const int32_t> items,
                              int64_t most, int processes) {
  std::vector<int64_t> lengths;
  for (const int32_t item : items) lengths.push_back(std::ssize(tokens[item]));
  const int64_t total = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  return token_packs(lengths, std::min(most, total / processes + 1));
}

bool is_own(size_t pack, const ProcessGroup& group) {
  return static_cast<int>(pack % static_cast<size_t>(group.size())) == group.rank();
}

at::Tensor encode(const Hllm& model, const ItemTokens& tokens, std::span<const int32_t> items,
                  const TokenPack& pack) {
  return model.encode(packed_texts(tokens, items.subspan(pack.begin, pack.end - pack.begin)));
}

// Without a graph; each process makes its packs, and gets all.
at::Tensor encode_shared(const Hllm& model, const ItemTokens& tokens,
                         std::span<const int32_t> items, std::span<const TokenPack> packs,
                         ProcessGroup& group) {
  at::NoGradGuard no_grad;
  const auto options = at::TensorOptions(at::kFloat).device(model.item_llm().options().device);
  at::Tensor vectors = at::zeros({std::ssize(items), model.config().width}, options);
  for (size_t pack = 0; pack < packs.size(); ++pack) {
    if (!is_own(pack, group)) continue;
    const auto [begin, end] = packs[pack];
    vectors.narrow(0, begin, end - begin).copy_(encode(model, tokens, items, packs[pack]));
  }
  sum_over(group, vectors);
  return vectors;
}

}  // namespace

ItemEncoding::ItemEncoding(const Hllm& model, const ItemTokens& tokens,
                           std::span<const int32_t> items, int64_t chunk_tokens,
                           ProcessGroup& group)
    : model_(model),
      tokens_(tokens),
      items_(items),
      group_(group),
      packs_(chunks(tokens, items, chunk_tokens, group.size())) {
  if (packs_.size() == 1 && group_.size() == 1) whole_ = encode(model, tokens, items, packs_[0]);
  vectors_ =
      whole_.defined() ? whole_.detach() : encode_shared(model, tokens, items, packs_, group);
  vectors_.set_requires_grad(true);
}

void ItemEncoding::backward() {
  at::Tensor gradients = vectors_.grad();
  gradients = gradients.defined() ? gradients.contiguous() : at::zeros_like(vectors_);
  if (whole_.defined()) {
    whole_.backward(gradients);
    return;
  }
  sum_over(group_, gradients);
  for (size_t pack = 0; pack < packs_.size(); ++pack) {
    if (!is_own(pack, group_)) continue;
    const auto [begin, end] = packs_[pack];
    encode(model_, tokens_, items_, packs_[pack]).backward(gradients.narrow(0, begin, end - begin));
  }
}

at::Tensor encode_all_items(const Hllm& model, const ItemTokens& tokens, int64_t chunk_tokens,
                            ProcessGroup& group) {
  std::vector<int32_t> items(tokens.size());
  std::iota(items.begin(), items.end(), 0);
  return encode_shared(model, tokens, items, chunks(tokens, items, chunk_tokens, group.size()),
                       group);
}

}  // namespace tandem::learn
