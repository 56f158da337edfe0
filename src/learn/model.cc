// SPDX-License-Identifier: Apache-2.0
#include "learn/model.h"

#include "learn/ops/linear_cross_entropy.h"

namespace tandem {

at::Tensor retriever_loss(const RetrieverModel& model, const PackedBatch& batch,
                          const DropoutRng* dropout) {
  return linear_cross_entropy(model.hidden(batch, dropout), model.item_table(), model.item_bias(),
                              batch.labels);
}

}  // namespace tandem
