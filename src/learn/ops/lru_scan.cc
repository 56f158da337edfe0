// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/lru_scan.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <typename T>
void scan_row(const T* __restrict u, const T* __restrict lambda, const uint8_t* carry,
              int64_t begin, int64_t end, int64_t channels, T* __restrict h) {
  const T* __restrict real = lambda;
  const T* __restrict imag = lambda + channels;
  for (int64_t k = begin; k < end; ++k) {
    const T* __restrict in = u + k * 2 * channels;
    T* __restrict out = h + k * 2 * channels;
    if (k == begin || carry[k] == 0) {
      std::copy(in, in + 2 * channels, out);
      continue;
    }
    const T* __restrict before = h + (k - 1) * 2 * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T a = before[c], b = before[c + channels];
      out[c] = in[c] + (real[c] * a - imag[c] * b);
      out[c + channels] = in[c + channels] + (real[c] * b + imag[c] * a);
    }
  }
}

// With G the gradient that reaches h[k] from everything after it:
//   G[k] = dh[k] + carry[k+1] conj(lambda) G[k+1],  du = G,  dlambda = sum_k carry[k] G[k]
//   conj(h[k-1])
template <typename T>
void scan_row_backward(const T* __restrict dh, const T* __restrict h, const T* __restrict lambda,
                       const uint8_t* carry, int64_t begin, int64_t end, int64_t channels,
                       T* __restrict du, T* __restrict dlambda) {
  const T* __restrict real = lambda;
  const T* __restrict imag = lambda + channels;
  for (int64_t k = end - 1; k >= begin; --k) {
    const T* __restrict in = dh + k * 2 * channels;
    T* __restrict out = du + k * 2 * channels;
    if (k + 1 == end || carry[k + 1] == 0) {
      std::copy(in, in + 2 * channels, out);
      continue;
    }
    const T* __restrict after = du + (k + 1) * 2 * channels;
    const T* __restrict state = h + k * 2 * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T a = after[c], b = after[c + channels];
      out[c] = in[c] + (real[c] * a + imag[c] * b);
      out[c + channels] = in[c + channels] + (real[c] * b - imag[c] * a);
      dlambda[c] += a * state[c] + b * state[c + channels];
      dlambda[c + channels] += b * state[c] - a * state[c + channels];
    }
  }
}

struct LruScan : torch::autograd::Function<LruScan> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& u, const at::Tensor& lambda,
                            const at::Tensor& carry, const at::Tensor& row_starts) {
    const int64_t channels = lambda.size(0) / 2;
    const at::Tensor in = u.contiguous(), power = lambda.contiguous();
    at::Tensor h = at::empty_like(in);
    const int64_t* starts = row_starts.const_data_ptr<int64_t>();
    const uint8_t* carries = carry.const_data_ptr<uint8_t>();
    AT_DISPATCH_FLOATING_TYPES(in.scalar_type(), "lru_scan", [&] {
      const auto* from = in.const_data_ptr<scalar_t>();
      const auto* with = power.const_data_ptr<scalar_t>();
      auto* to = h.data_ptr<scalar_t>();
      at::parallel_for(0, row_starts.size(0) - 1, 1, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row) {
          scan_row(from, with, carries, starts[row], starts[row + 1], channels, to);
        }
      });
    });
    context->save_for_backward({power, carry, row_starts, h});
    return h;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &lambda = saved[0], &carry = saved[1], &row_starts = saved[2], &h = saved[3];
    const int64_t channels = lambda.size(0) / 2, rows = row_starts.size(0) - 1;
    const at::Tensor dh = gradients[0].contiguous();
    at::Tensor du = at::empty_like(dh);
    // One partial sum a row, added in the order of the rows, so that threads do not change bits.
    at::Tensor partial = at::zeros({rows, 2 * channels}, dh.options());
    const int64_t* starts = row_starts.const_data_ptr<int64_t>();
    const uint8_t* carries = carry.const_data_ptr<uint8_t>();
    AT_DISPATCH_FLOATING_TYPES(dh.scalar_type(), "lru_scan_backward", [&] {
      const auto* from = dh.const_data_ptr<scalar_t>();
      const auto* states = h.const_data_ptr<scalar_t>();
      const auto* with = lambda.const_data_ptr<scalar_t>();
      auto* to = du.data_ptr<scalar_t>();
      auto* sums = partial.data_ptr<scalar_t>();
      at::parallel_for(0, rows, 1, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row) {
          scan_row_backward(from, states, with, carries, starts[row], starts[row + 1], channels, to,
                            sums + row * 2 * channels);
        }
      });
    });
    return {du, partial.sum(0), {}, {}};
  }
};

}  // namespace

at::Tensor lru_scan(const at::Tensor& u, const at::Tensor& lambda, const at::Tensor& carry,
                    const at::Tensor& row_starts) {
  if (u.dim() != 2 || lambda.dim() != 1 || lambda.size(0) % 2 != 0 || u.size(1) != lambda.size(0) ||
      u.scalar_type() != lambda.scalar_type()) {
    throw ShapeError("lru_scan: lambda has {} reals, u has {} columns", lambda.numel(), u.size(-1));
  }
  if (carry.size(0) != u.size(0) || row_starts.size(0) < 1 ||
      row_starts.select(0, -1).item<int64_t>() != u.size(0)) {
    throw ShapeError("lru_scan: u has {} positions, carry {}, rows end at {}", u.size(0),
                     carry.size(0), row_starts.select(0, -1).item<int64_t>());
  }
  if (!takes_kernel(u)) return lru_scan_composed(u, lambda, carry, row_starts);
  return LruScan::apply(u, lambda, carry.contiguous(), row_starts.contiguous());
}

// After the round with step s, (real, imag) is what positions k - 2s + 1 .. k give to h[k], and
// (power_real, power_imag) the factor by which h[k - 2s] would enter: 0 where a carry is missing.
at::Tensor lru_scan_composed(const at::Tensor& u, const at::Tensor& lambda, const at::Tensor& carry,
                             const at::Tensor& row_starts) {
  const int64_t channels = lambda.size(0) / 2, positions = u.size(0);
  const int64_t longest =
      (row_starts.slice(0, 1) - row_starts.slice(0, 0, -1)).max().item<int64_t>();
  const at::Tensor open = carry.to(u.scalar_type()).unsqueeze(1);  // [P, 1]
  at::Tensor real = u.slice(1, 0, channels), imag = u.slice(1, channels);
  at::Tensor power_real = open * lambda.slice(0, 0, channels);  // [P, H]
  at::Tensor power_imag = open * lambda.slice(0, channels);
  for (int64_t step = 1; step < longest; step *= 2) {
    const at::Tensor nothing = at::zeros({step, channels}, u.options());
    const auto before = [&](const at::Tensor& x) {
      return at::cat({nothing, x.slice(0, 0, positions - step)});
    };
    const at::Tensor a = before(real), b = before(imag);
    const at::Tensor p = before(power_real), q = before(power_imag);
    real = real + power_real * a - power_imag * b;
    imag = imag + power_real * b + power_imag * a;
    const at::Tensor product_real = power_real * p - power_imag * q;
    power_imag = power_real * q + power_imag * p;
    power_real = product_real;
  }
  return at::cat({real, imag}, 1);
}

at::Tensor lru_scan_reference(const at::Tensor& u, const at::Tensor& lambda,
                              const at::Tensor& carry) {
  const int64_t channels = lambda.size(0) / 2;
  const at::Tensor real = lambda.slice(0, 0, channels), imag = lambda.slice(0, channels);
  std::vector<at::Tensor> states;
  for (int64_t k = 0; k < u.size(0); ++k) {
    at::Tensor h = u.select(0, k);
    if (k > 0 && carry[k].item<uint8_t>() != 0) {
      const at::Tensor a = states.back().slice(0, 0, channels);
      const at::Tensor b = states.back().slice(0, channels);
      h = h + at::cat({real * a - imag * b, real * b + imag * a});
    }
    states.push_back(h);
  }
  return at::stack(states);
}

}  // namespace tandem::learn
