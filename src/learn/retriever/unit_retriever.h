// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>
#include <vector>

#include "learn/model.h"
#include "learn/ops/nce_loss.h"

namespace tandem::learn {

// A retriever asked by cosines: states and items have length 1, so that its products are cosines.
// The model must outlive it.
class UnitRetriever : public Retriever {
 public:
  explicit UnitRetriever(const Retriever& model) : model_(model) {}

  std::vector<NamedParameter> parameters() const override { return model_.parameters(); }
  at::Tensor hidden(const PackedBatch& batch, const DropoutRng* dropout) const override {
    return unit_rows(model_.hidden(batch, dropout));
  }
  at::Tensor item_table() const override { return unit_rows(model_.item_table()); }
  at::Tensor item_vectors(const at::Tensor& items) const override {
    return unit_rows(model_.item_vectors(items));
  }
  at::Tensor item_bias() const override { return model_.item_bias(); }
  bool reads_times() const override { return model_.reads_times(); }
  bool decayed(std::string_view name) const override { return model_.decayed(name); }

 private:
  const Retriever& model_;
};

}  // namespace tandem::learn
