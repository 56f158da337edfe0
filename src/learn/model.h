// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::learn {

// A batch of training sequences laid end to end, without padding. P positions, B rows.
//
//   items       [P]   int64, inputs; 0 (padding) is an ordinary input here
//   labels      [P]   int64, the item to predict; 0 means no loss at this position
//   row_starts  [B+1] int64, row b is positions row_starts[b] .. row_starts[b+1], at least one
//   wanted      [Q]   int64, ascending: the positions whose hidden state somebody needs;
//                     undefined: all, Q = P
//   times       [P]   int64 on the CPU, when the inputs were in seconds since 1970, 0 for one that
//                     is not known; undefined unless the model reads times
//
// No state crosses a row's start or leaves an input 0. On real positions this equals the authors'
// padded batch. Which inputs and labels a sequence becomes is a TrainingObjective's matter.
struct PackedBatch {
  at::Tensor items, labels, row_starts;
  at::Tensor wanted = {}, times = {};

  // Those rows of x [P, ...].
  at::Tensor at_wanted(const at::Tensor& x) const;
  PackedBatch to(const at::Device& device) const;
};

// A trainable tensor under the authors' name.
struct NamedParameter {
  std::string name;
  at::Tensor value;  // shares storage with the model
};

// Which dropout site draws in which step; the masks are a pure function of (seed, step, site,
// element), so a resumed run draws the same ones. A site draws one row for every packed position,
// wanted or not. The base class draws; a test hands in masks of its own by overriding keep().
class DropoutRng {
 public:
  DropoutRng(uint64_t seed, uint64_t step) : seed_(seed), step_(step) {}
  virtual ~DropoutRng() = default;

  // u8 [rows, columns], 1 where kept, with probability 1 - p.
  virtual at::Tensor keep(std::string_view site, int64_t rows, int64_t columns, double p) const;

 private:
  uint64_t seed_, step_;
};

// A sequential recommender that scores items by a product with an item table.
class Retriever {
 public:
  virtual ~Retriever() = default;

  // In a fixed order, leaves of autograd that require gradients.
  virtual std::vector<NamedParameter> parameters() const = 0;
  // [Q, D], one row a wanted position. dropout null: evaluation.
  virtual at::Tensor hidden(const PackedBatch& batch, const DropoutRng* dropout) const = 0;
  // Scores are hidden x item_table^T + item_bias; row 0 is padding and takes part in the loss, as
  // do rows behind N (a mask's), which are never recommended.
  virtual at::Tensor item_table() const = 0;  // [N+1 or more, D]
  virtual at::Tensor item_bias() const = 0;   // [as many]
  // Rows of the table: of items [Q] -> [Q, D].
  virtual at::Tensor item_vectors(const at::Tensor& items) const;
  // Whether the times of inputs change what it says.
  virtual bool reads_times() const { return false; }
  // Whether weight decay applies to the parameter of this name.
  virtual bool decayed(std::string_view name) const = 0;
};

// Mean cross-entropy over the positions whose label is not 0, a scalar; undefined positions cost
// nothing.
at::Tensor retriever_loss(const Retriever& model, const PackedBatch& batch,
                          const DropoutRng* dropout);

}  // namespace tandem::learn
