// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "learn/distributed/process_group.h"
#include "learn/hllm/hllm.h"
#include "models/token_packs.h"

namespace tandem::learn {

// By item: the tokens of its text as the Item LLM reads them, placeholder included.
using ItemTokens = std::vector<std::vector<int32_t>>;

// The vectors of some items in a step, and the way back of their gradients, in chunks of tokens:
// the vectors are made without a graph, the loss's gradients by them are collected, and then each
// chunk is run again with a graph (Gao et al., "Scaling Deep Contrastive Learning Batch Size under
// Memory Limited Setup", arXiv 2101.06983). So memory does not grow with the number of items but by
// the vectors themselves; loss and gradients are those of one pass up to rounding. What fits into
// one chunk is run once. The processes of a group share the chunks.
class ItemEncoding {
 public:
  // items: each once. All must outlive this; collective.
  ItemEncoding(const Hllm& model, const ItemTokens& tokens, std::span<const int32_t> items,
               int64_t chunk_tokens, ProcessGroup& group);

  // [n, D] in the order of the items, a leaf.
  const at::Tensor& vectors() const { return vectors_; }
  // Passes the gradients that vectors() has collected in all processes on to the parameters; each
  // process gets its share of their sum. Collective.
  void backward();

 private:
  const Hllm& model_;
  const ItemTokens& tokens_;
  std::span<const int32_t> items_;
  ProcessGroup& group_;
  std::vector<TokenPack> packs_;
  at::Tensor whole_;  // of a single chunk, with its graph
  at::Tensor vectors_;
};

// All items' vectors [N + 1, D] without autograd, item 0 (no text) included; the processes share
// the work and all get the whole.
at::Tensor encode_all_items(const Hllm& model, const ItemTokens& tokens, int64_t chunk_tokens,
                            ProcessGroup& group);

}  // namespace tandem::learn
