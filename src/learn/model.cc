// SPDX-License-Identifier: Apache-2.0
#include "learn/model.h"

#include <ATen/ops/embedding.h>

#include "learn/ops/linear_cross_entropy.h"

namespace tandem::learn {

at::Tensor PackedBatch::at_wanted(const at::Tensor& x) const {
  return wanted.defined() ? x.index_select(0, wanted) : x;
}

PackedBatch PackedBatch::to(const at::Device& device) const {
  if (device.is_cpu()) return *this;
  return {.items = items.to(device),
          .labels = labels.to(device),
          .row_starts = row_starts.to(device),
          .wanted = wanted.defined() ? wanted.to(device) : wanted,
          .times = times};
}

at::Tensor Retriever::item_vectors(const at::Tensor& items) const {
  return at::embedding(item_table(), items);
}

at::Tensor retriever_loss(const Retriever& model, const PackedBatch& batch,
                          const DropoutRng* dropout) {
  return linear_cross_entropy(model.hidden(batch, dropout), model.item_table(), model.item_bias(),
                              batch.at_wanted(batch.labels));
}

}  // namespace tandem::learn
