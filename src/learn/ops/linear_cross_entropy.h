// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// Mean softmax cross-entropy against a large item table, without ever holding the logits of the
// batch:
//
//     s = hidden table^T + bias
//     loss = mean over p with labels[p] != 0 of  log sum_n exp(s[p, n]) - s[p, labels[p]]
//
//   hidden [P, D], table [V, D], bias [V]   float32
//   labels [P]   int64 in 0..V-1; 0 means that the position costs nothing
//   result       scalar; 0 with zero gradients when no label is set
//
// The forward pass also makes the gradients, while a tile of probabilities is in cache: three
// products in all instead of the four of a backward pass that computes the logits again. Memory: at
// most 16 MB of scratch. Bits do not depend on the number of threads. Throws ShapeError, DataError
// for a label outside the table.
at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& table,
                                const at::Tensor& bias, const at::Tensor& labels);

// With ATen operations and all logits, any floating type: for tests, and what other devices than
// the CPU run.
at::Tensor linear_cross_entropy_reference(const at::Tensor& hidden, const at::Tensor& table,
                                          const at::Tensor& bias, const at::Tensor& labels);

}  // namespace tandem::learn
