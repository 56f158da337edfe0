// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/gru.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/addmv.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gru.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "engine/kernels/gru_cell.h"
#include "engine/kernels/packed_matrix.h"
#include "learn/ops/kernels.h"
#include "learn/ops/products.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows that advance together: enough to use the weights well, few enough to feed several threads.
constexpr int64_t kGroupRows = 8;

struct Row {
  int64_t begin, length;
};

// Longest first, so that those of a group which still run are its first ones.
std::vector<Row> rows_by_length(const at::Tensor& row_starts) {
  const int64_t* starts = row_starts.const_data_ptr<int64_t>();
  std::vector<Row> rows;
  for (int64_t row = 0; row + 1 < row_starts.numel(); ++row)
    rows.push_back({starts[row], starts[row + 1] - starts[row]});
  std::ranges::stable_sort(rows, std::ranges::greater(), &Row::length);
  return rows;
}

// Calls work(rows) for each group, in parallel.
template <typename Work>
void for_groups(const std::vector<Row>& rows, const Work& work) {
  const int64_t count = (std::ssize(rows) + kGroupRows - 1) / kGroupRows;
  at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
    for (int64_t group = first; group < last; ++group) {
      const int64_t begin = group * kGroupRows;
      const int64_t size = std::min(kGroupRows, std::ssize(rows) - begin);
      work(std::span(rows).subspan(begin, static_cast<size_t>(size)));
    }
  });
}

int64_t running(std::span<const Row> rows, int64_t step) {
  int64_t count = 0;
  while (count < std::ssize(rows) && rows[count].length > step) ++count;
  return count;
}

struct Gru : torch::autograd::Function<Gru> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight_ih, const at::Tensor& weight_hh,
                            const at::Tensor& bias_ih, const at::Tensor& bias_hh,
                            const at::Tensor& row_starts) {
    const int64_t positions = x.size(0), width = weight_hh.size(1);
    const at::Tensor u = product_nt(x, weight_ih).add_(bias_ih);  // [P, 3H]
    at::Tensor states = at::empty({positions, width}, x.options());
    at::Tensor gates = at::empty({positions, 3 * width}, x.options());
    at::Tensor carried = at::empty({positions, width}, x.options());  // W_hn h + b_hn
    const engine::PackedMatrix recurrent(weight_hh.const_data_ptr<float>(), 3 * width, width,
                                         width);
    const float *in = u.const_data_ptr<float>(), *bias = bias_hh.const_data_ptr<float>();
    float *out = states.data_ptr<float>(), *gate = gates.data_ptr<float>();
    float* w_n = carried.data_ptr<float>();
    for_groups(rows_by_length(row_starts), [&](std::span<const Row> rows) {
      std::vector<float> h(rows.size() * width, 0.0f), w(rows.size() * 3 * width);
      for (int64_t step = 0; step < rows[0].length; ++step) {
        const int64_t count = running(rows, step);
        recurrent.multiply(h.data(), width, count, bias, w.data(), 3 * width);
        for (int64_t i = 0; i < count; ++i) {
          const int64_t p = rows[i].begin + step;
          float *state = h.data() + i * width, *product = w.data() + i * 3 * width;
          engine::gru_cell(in + p * 3 * width, product, state, width, state, gate + p * 3 * width);
          std::copy_n(state, width, out + p * width);
          std::copy_n(product + 2 * width, width, w_n + p * width);
        }
      }
    });
    context->save_for_backward({x, weight_ih, weight_hh, row_starts, states, gates, carried});
    return states;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight_ih = saved[1], &weight_hh = saved[2];
    const at::Tensor &row_starts = saved[3], &states = saved[4];
    const int64_t positions = x.size(0), width = weight_hh.size(1);
    const at::Tensor dstates = gradients[0].contiguous();
    at::Tensor du = at::empty({positions, 3 * width}, x.options());
    at::Tensor dw = at::empty({positions, 3 * width}, x.options());
    at::Tensor before = at::empty({positions, width}, x.options());  // the state each began with
    const at::Tensor transposed = weight_hh.t().contiguous();        // [H, 3H]
    const engine::PackedMatrix recurrent(transposed.const_data_ptr<float>(), width, 3 * width,
                                         3 * width);
    const float *dout = dstates.const_data_ptr<float>(), *h = states.const_data_ptr<float>();
    const float* gate = saved[5].const_data_ptr<float>();
    const float* w_n = saved[6].const_data_ptr<float>();
    float *to_u = du.data_ptr<float>(), *to_w = dw.data_ptr<float>();
    float* previous = before.data_ptr<float>();
    for_groups(rows_by_length(row_starts), [&](std::span<const Row> rows) {
      std::vector<float> dh(rows.size() * width, 0.0f), through(rows.size() * width);
      std::vector<float> products(rows.size() * 3 * width);
      for (int64_t step = rows[0].length - 1; step >= 0; --step) {
        const int64_t count = running(rows, step);
        for (int64_t i = 0; i < count; ++i) {
          const int64_t p = rows[i].begin + step;
          float* d = dh.data() + i * width;
          for (int64_t c = 0; c < width; ++c) d[c] += dout[p * width + c];
          const float* state = step > 0 ? h + (p - 1) * width : nullptr;
          if (state != nullptr) {
            std::copy_n(state, width, previous + p * width);
          } else {
            std::fill_n(previous + p * width, width, 0.0f);
          }
          float* product = products.data() + i * 3 * width;
          engine::gru_cell_backward(gate + p * 3 * width, w_n + p * width, state, width, d,
                                    to_u + p * 3 * width, product);
          std::copy_n(product, 3 * width, to_w + p * 3 * width);
        }
        recurrent.multiply(products.data(), 3 * width, count, nullptr, through.data(), width);
        for (int64_t i = 0; i < count * width; ++i) dh[i] += through[i];
      }
    });
    return {product_nn(du, weight_ih),
            product_tn(du, x),
            product_tn(dw, before),
            du.sum(0),
            dw.sum(0),
            {}};
  }
};

void check(const at::Tensor& x, const at::Tensor& weight_ih, const at::Tensor& weight_hh,
           const at::Tensor& bias_ih, const at::Tensor& bias_hh, const at::Tensor& row_starts) {
  const int64_t width = weight_hh.size(-1);
  if (x.dim() != 2 || weight_ih.dim() != 2 || weight_hh.dim() != 2 ||
      weight_ih.size(1) != x.size(1) || weight_ih.size(0) != 3 * width ||
      weight_hh.size(0) != 3 * width || bias_ih.numel() != 3 * width ||
      bias_hh.numel() != 3 * width)
    throw ShapeError("gru: x [{}, {}], weights [{}, {}] and [{}, {}], biases {} and {}", x.size(0),
                     x.size(-1), weight_ih.size(0), weight_ih.size(-1), weight_hh.size(0), width,
                     bias_ih.numel(), bias_hh.numel());
  if (row_starts.dim() != 1 || row_starts.numel() < 2 ||
      row_starts.select(0, 0).item<int64_t>() != 0 ||
      row_starts.select(0, -1).item<int64_t>() != x.size(0) ||
      (row_starts.slice(0, 1) - row_starts.slice(0, 0, -1)).min().item<int64_t>() < 1)
    throw ShapeError("gru: rows do not cover the {} positions", x.size(0));
}

}  // namespace

at::Tensor gru(const at::Tensor& x, const at::Tensor& weight_ih, const at::Tensor& weight_hh,
               const at::Tensor& bias_ih, const at::Tensor& bias_hh, const at::Tensor& row_starts) {
  check(x, weight_ih, weight_hh, bias_ih, bias_hh, row_starts);
  if (!takes_kernel(x)) return gru_composed(x, weight_ih, weight_hh, bias_ih, bias_hh, row_starts);
  return Gru::apply(x.contiguous(), weight_ih.contiguous(), weight_hh.contiguous(),
                    bias_ih.contiguous(), bias_hh.contiguous(), row_starts.contiguous());
}

at::Tensor gru_composed(const at::Tensor& x, const at::Tensor& weight_ih,
                        const at::Tensor& weight_hh, const at::Tensor& bias_ih,
                        const at::Tensor& bias_hh, const at::Tensor& row_starts) {
  const std::vector<Row> rows = rows_by_length(row_starts.cpu());
  // ATen's packed sequence: all first steps, then all second ones, ...
  std::vector<int64_t> order, counts, places(static_cast<size_t>(x.size(0)));
  for (int64_t step = 0; step < rows[0].length; ++step) {
    counts.push_back(running(rows, step));
    for (int64_t i = 0; i < counts.back(); ++i) {
      places[rows[i].begin + step] = std::ssize(order);
      order.push_back(rows[i].begin + step);
    }
  }
  const auto indices = [&](const std::vector<int64_t>& values) {
    return at::tensor(values, at::kLong).to(x.device());
  };
  const at::Tensor zeros = at::zeros({1, std::ssize(rows), weight_hh.size(1)}, x.options());
  const at::Tensor out = std::get<0>(
      at::gru(x.index_select(0, indices(order)), at::tensor(counts, at::kLong), zeros,
              {weight_ih, weight_hh, bias_ih, bias_hh}, /*has_biases=*/true, /*num_layers=*/1,
              /*dropout=*/0.0, /*train=*/true, /*bidirectional=*/false));
  return out.index_select(0, indices(places));
}

at::Tensor gru_reference(const at::Tensor& x, const at::Tensor& weight_ih,
                         const at::Tensor& weight_hh, const at::Tensor& bias_ih,
                         const at::Tensor& bias_hh, const at::Tensor& row_starts) {
  const int64_t width = weight_hh.size(1);
  const int64_t* starts = row_starts.const_data_ptr<int64_t>();
  std::vector<at::Tensor> states;
  for (int64_t row = 0; row + 1 < row_starts.numel(); ++row) {
    at::Tensor h = at::zeros({width}, x.options());
    for (int64_t p = starts[row]; p < starts[row + 1]; ++p) {
      const at::Tensor u = at::addmv(bias_ih, weight_ih, x[p]),
                       w = at::addmv(bias_hh, weight_hh, h);
      const auto gate = [&](const at::Tensor& all, int64_t g) {
        return all.slice(0, g * width, (g + 1) * width);
      };
      const at::Tensor r = at::sigmoid(gate(u, 0) + gate(w, 0));
      const at::Tensor z = at::sigmoid(gate(u, 1) + gate(w, 1));
      const at::Tensor n = at::tanh(gate(u, 2) + r * gate(w, 2));
      h = (1 - z) * n + z * h;
      states.push_back(h);
    }
  }
  return at::stack(states);
}

}  // namespace tandem::learn
