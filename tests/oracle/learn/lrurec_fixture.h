// SPDX-License-Identifier: Apache-2.0
// Forms in which the LRURec oracle stores batches, masks and weights.
#pragma once

#include "learn/lrurec/lrurec.h"
#include "oracle/learn/tensors.h"

namespace tandem::learn {

// A left-padded batch [B, L] without its padding. place[p] is position p's index in [B * L].
struct Packed {
  PackedBatch batch;
  at::Tensor place;
  int64_t rows = 0, length = 0;
};

// Rows start at their first real or labelled position (the last one where there is none), or at 0
// when whole.
Packed pack(const at::Tensor& inputs, const at::Tensor& labels, bool whole);

// [B, L, C] at the packed positions.
at::Tensor at_places(const at::Tensor& padded, const Packed& packed);

// Dropout masks from the file, [B, L or P, W] a site, at the packed positions.
class FileMasks : public DropoutRng {
 public:
  FileMasks(const SafetensorsFile& file, const Packed& packed)
      : DropoutRng(0, 0), file_(file), packed_(packed) {}

  at::Tensor keep(std::string_view site, int64_t rows, int64_t columns, double) const override;

 private:
  const SafetensorsFile& file_;
  const Packed& packed_;
};

// The model whose sizes the stored weights show.
LruRec load_model(const SafetensorsFile& weights, double dropout = 0);

}  // namespace tandem::learn
