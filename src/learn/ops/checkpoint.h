// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace tandem::learn {

// f(x), keeping nothing of f but x: the backward pass runs f again (activation checkpointing, Chen
// et al., "Training Deep Nets with Sublinear Memory Cost"). f must give the same bits each time and
// outlive the graph's backward pass. `parameters` are the leaves that f reads and that may require
// gradients.
at::Tensor checkpoint(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& x,
                      const std::vector<at::Tensor>& parameters);

}  // namespace tandem::learn
