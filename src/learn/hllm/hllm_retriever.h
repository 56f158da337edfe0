// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <utility>
#include <vector>

#include "learn/hllm/hllm.h"
#include "learn/model.h"
#include "learn/ops/nce_loss.h"

namespace tandem::learn {

// An HLLM over its items' vectors, asked as any retriever: states and items have length 1, so that
// products are cosines. The model must outlive it.
class HllmRetriever : public Retriever {
 public:
  // vectors [N + 1, D], as they come out of Hllm::encode.
  HllmRetriever(const Hllm& model, at::Tensor vectors)
      : model_(model), vectors_(std::move(vectors)), table_(unit_rows(vectors_)) {}

  std::vector<NamedParameter> parameters() const override { return model_.parameters(); }
  at::Tensor hidden(const PackedBatch& batch, const DropoutRng*) const override {
    const at::Tensor wanted = batch.wanted.defined() ? batch.wanted.cpu() : batch.wanted;
    const at::Tensor inputs =
        model_.user_inputs(vectors_.index_select(0, batch.items), batch.times);
    return unit_rows(model_.user_states(inputs, batch.row_starts.cpu(), wanted));
  }
  bool reads_times() const override { return model_.config().time_width > 0; }
  at::Tensor item_table() const override { return table_; }
  at::Tensor item_bias() const override { return at::zeros({table_.size(0)}, table_.options()); }
  bool decayed(std::string_view) const override { return true; }

 private:
  const Hllm& model_;
  at::Tensor vectors_, table_;
};

}  // namespace tandem::learn
