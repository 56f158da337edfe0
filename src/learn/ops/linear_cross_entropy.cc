// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/linear_cross_entropy.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "engine/kernels/exp_rows.h"
#include "engine/kernels/gemm.h"
#include "learn/ops/kernels.h"
#include "learn/ops/scratch.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kTileItems = 512;          // columns of a tile of logits, at most
constexpr int64_t kBlockRows = 512;          // at most, so that a tile stays in a 1 MB L2
constexpr int64_t kScratchFloats = 4 << 20;  // of logits: 16 MB

struct Inputs {
  const float *hidden, *table, *bias;
  const int64_t* labels;
  int64_t rows, items, width;
};

struct Gradients {
  float *hidden, *table, *bias;
};

// Items cut into an even number of tiles of equal size (but for the last), so that two threads get
// equal shares.
struct Tiling {
  int64_t items, tiles, columns;

  explicit Tiling(int64_t num_items) : items(num_items) {
    constexpr int64_t kVector = 16;  // floats; a tile starts at a whole number of vectors
    const int64_t pairs = (items + 2 * kTileItems - 1) / (2 * kTileItems);
    columns = (items + 2 * pairs - 1) / (2 * pairs);
    columns = (columns + kVector - 1) / kVector * kVector;
    tiles = (items + columns - 1) / columns;
  }
  int64_t begin(int64_t tile) const { return tile * columns; }
  int64_t size(int64_t tile) const { return std::min(columns, items - begin(tile)); }
};

// What one block of rows needs between its two passes over the item tiles.
struct Workspace {
  Tiling tiling;
  // [tiles, rows, columns], [tiles, rows] twice, [tiles, rows, D]
  float *logits, *max, *sum, *dhidden;
};

void add_span(const float* __restrict from, int64_t count, float* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

// Sum of the losses of rows [begin, begin + rows); adds to the gradients of table and bias, sets
// those of hidden. weight is the loss's factor, 1 / number of labelled positions.
double block_loss(const Inputs& in, const Gradients& out, const Workspace& work, int64_t begin,
                  int64_t rows, float weight) {
  const Tiling& tiling = work.tiling;
  const int64_t tiles = tiling.tiles, stride = tiling.columns, width = in.width;
  const float* hidden = in.hidden + begin * width;
  const int64_t* labels = in.labels + begin;

  at::parallel_for(0, tiles, 1, [&](int64_t first, int64_t last) {
    for (int64_t tile = first; tile < last; ++tile) {
      float* logits = work.logits + tile * rows * stride;
      const int64_t item = tiling.begin(tile), columns = tiling.size(tile);
      engine::sgemm(false, true, rows, columns, width, 1.0f, hidden, width, in.table + item * width,
                    width, 0.0f, logits, stride);
      engine::exp_rows(logits, rows, columns, stride, in.bias + item, work.max + tile * rows,
                       work.sum + tile * rows);
    }
  });

  // Join the tiles: exp(s - max over all) / sum = exp(s - max of tile) * factor of tile.
  double loss = 0;
  for (int64_t r = 0; r < rows; ++r) {
    float top = work.max[r];
    for (int64_t tile = 1; tile < tiles; ++tile) top = std::max(top, work.max[tile * rows + r]);
    double total = 0;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const float factor = std::exp(work.max[tile * rows + r] - top);
      total += double{factor} * work.sum[tile * rows + r];
      work.max[tile * rows + r] = factor;
    }
    const auto scale = static_cast<float>(weight / total);
    for (int64_t tile = 0; tile < tiles; ++tile) work.max[tile * rows + r] *= scale;
    double true_score = in.bias[labels[r]];
    const float* item = in.table + labels[r] * width;
    for (int64_t d = 0; d < width; ++d) true_score += double{hidden[r * width + d]} * item[d];
    loss += top + std::log(total) - true_score;
  }

  at::parallel_for(0, tiles, 1, [&](int64_t first, int64_t last) {
    for (int64_t tile = first; tile < last; ++tile) {
      float* dlogits = work.logits + tile * rows * stride;
      const int64_t item = tiling.begin(tile), columns = tiling.size(tile);
      engine::scale_rows(dlogits, rows, columns, stride, work.max + tile * rows, out.bias + item);
      for (int64_t r = 0; r < rows; ++r) {
        if (labels[r] >= item && labels[r] < item + columns) {
          dlogits[r * stride + labels[r] - item] -= weight;
          out.bias[labels[r]] -= weight;
        }
      }
      engine::sgemm(true, false, columns, width, rows, 1.0f, dlogits, stride, hidden, width, 1.0f,
                    out.table + item * width, width);
      engine::sgemm(false, false, rows, width, columns, 1.0f, dlogits, stride,
                    in.table + item * width, width, 0.0f, work.dhidden + tile * rows * width,
                    width);
    }
  });

  at::parallel_for(0, rows * width, 1 << 12, [&](int64_t first, int64_t last) {
    float* dhidden = out.hidden + begin * width;
    std::copy(work.dhidden + first, work.dhidden + last, dhidden + first);
    for (int64_t tile = 1; tile < tiles; ++tile) {
      const float* part = work.dhidden + tile * rows * width;
      add_span(part + first, last - first, dhidden + first);
    }
  });
  return loss;
}

// hidden and labels hold labelled rows only.
double loss_and_gradients(const Inputs& in, const Gradients& out) {
  const Tiling tiling(in.items);
  const int64_t tiles = tiling.tiles, logits_per_row = tiles * tiling.columns;
  int64_t block = std::clamp<int64_t>(kScratchFloats / logits_per_row, 32, kBlockRows);
  // Blocks of equal size, so that the last one is not a sliver.
  const int64_t blocks = (in.rows + block - 1) / block;
  block = (in.rows + blocks - 1) / blocks;
  thread_local Scratch logits, small;
  float* rest = small.floats(tiles * block * (2 + in.width));
  const Workspace work = {tiling, logits.floats(logits_per_row * block), rest, rest + tiles * block,
                          rest + 2 * tiles * block};
  double loss = 0;
  for (int64_t begin = 0; begin < in.rows; begin += block) {
    loss += block_loss(in, out, work, begin, std::min(block, in.rows - begin),
                       1.0f / static_cast<float>(in.rows));
  }
  return loss / static_cast<double>(in.rows);
}

struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden,
                            const at::Tensor& table, const at::Tensor& bias,
                            const at::Tensor& labels) {
    at::Tensor dhidden, dtable = at::zeros_like(table, at::MemoryFormat::Contiguous);
    at::Tensor dbias = at::zeros_like(bias, at::MemoryFormat::Contiguous);
    at::Tensor loss = at::zeros({}, hidden.options());
    const at::Tensor labelled = at::nonzero(labels).view({-1});
    const int64_t rows = labelled.size(0);
    if (rows == 0) {
      dhidden = at::zeros_like(hidden);
    } else {
      const bool all = rows == labels.size(0);
      const at::Tensor kept = all ? hidden.contiguous() : at::index_select(hidden, 0, labelled);
      const at::Tensor wanted = all ? labels.contiguous() : at::index_select(labels, 0, labelled);
      const at::Tensor items = table.contiguous(), shift = bias.contiguous();
      at::Tensor dkept = at::empty(kept.sizes(), kept.options());
      loss.fill_(loss_and_gradients(
          {kept.const_data_ptr<float>(), items.const_data_ptr<float>(),
           shift.const_data_ptr<float>(), wanted.const_data_ptr<int64_t>(), rows, table.size(0),
           table.size(1)},
          {dkept.data_ptr<float>(), dtable.data_ptr<float>(), dbias.data_ptr<float>()}));
      dhidden = all ? dkept : at::zeros_like(hidden).index_copy_(0, labelled, dkept);
    }
    context->save_for_backward({dhidden, dtable, dbias});
    return loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    variable_list saved = context->get_saved_variables();
    const float upstream = gradients[0].item<float>();
    if (upstream != 1.0f) {
      for (at::Tensor& gradient : saved) gradient = gradient * upstream;
    }
    return {saved[0], saved[1], saved[2], {}};
  }
};

}  // namespace

at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& table,
                                const at::Tensor& bias, const at::Tensor& labels) {
  if (hidden.dim() != 2 || table.dim() != 2 || hidden.size(1) != table.size(1) ||
      bias.numel() != table.size(0) || labels.numel() != hidden.size(0)) {
    throw ShapeError(
        "linear_cross_entropy: hidden has {} rows of {}, table {} of {}, bias {}, labels {}",
        hidden.size(0), hidden.size(-1), table.size(0), table.size(-1), bias.numel(),
        labels.numel());
  }
  const at::Tensor checked = labels.cpu().contiguous();
  const int64_t* label = checked.const_data_ptr<int64_t>();
  for (int64_t p = 0; p < checked.numel(); ++p) {
    if (label[p] < 0 || label[p] >= table.size(0)) {
      throw DataError("linear_cross_entropy: label {} at position {}, the table has {} items",
                      label[p], p, table.size(0));
    }
  }
  if (!takes_kernel(hidden)) return linear_cross_entropy_reference(hidden, table, bias, labels);
  return LinearCrossEntropy::apply(hidden, table, bias, checked);
}

at::Tensor linear_cross_entropy_reference(const at::Tensor& hidden, const at::Tensor& table,
                                          const at::Tensor& bias, const at::Tensor& labels) {
  // Not Reduction::Mean, which is 0 / 0 where no label is set.
  const at::Tensor sum = at::cross_entropy_loss(at::linear(hidden, table, bias), labels, {},
                                                at::Reduction::Sum, /*ignore_index=*/0);
  return sum / labels.ne(0).sum().clamp_min(1);
}

}  // namespace tandem::learn
