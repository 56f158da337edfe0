// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/rope.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/error.h"
#include "learn/ops/element_types.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 1 << 14;  // elements a thread should get at least

template <typename T, typename A>
void turn(const T* __restrict x, const A* __restrict cosines, const A* __restrict sines, A sign,
          int64_t half, T* __restrict y) {
  for (int64_t j = 0; j < half; ++j) {
    const A a = static_cast<A>(x[j]), b = static_cast<A>(x[j + half]), s = sign * sines[j];
    y[j] = static_cast<T>(a * cosines[j] - b * s);
    y[j + half] = static_cast<T>(b * cosines[j] + a * s);
  }
}

template <typename T, typename A>
void turn_rows(const at::Tensor& x, const Rope& rope, A sign, at::Tensor& y) {
  const int64_t width = x.size(1), half = rope.cosines.size(1), heads = width / rope.head_dim;
  const T* from = x.const_data_ptr<T>();
  const A *c = rope.cosines.const_data_ptr<A>(), *s = rope.sines.const_data_ptr<A>();
  T* to = y.data_ptr<T>();
  const int64_t grain = std::max<int64_t>(1, kGrain / width);
  at::parallel_for(0, x.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t at = p * width + head * rope.head_dim + rope.offset;
        turn(from + at, c + p * half, s + p * half, sign, half, to + at);
      }
    }
  });
}

at::Tensor turned(const at::Tensor& x, const Rope& rope, int sign) {
  at::Tensor y = rope.head_dim == 2 * rope.cosines.size(1) ? at::empty_like(x) : x.clone();
  dispatch_element_type("rotate", x.scalar_type(), [&](auto* of_element, auto of_arithmetic) {
    using A = decltype(of_arithmetic);
    turn_rows<std::remove_pointer_t<decltype(of_element)>, A>(x, rope, static_cast<A>(sign), y);
  });
  return y;
}

struct Rotate : torch::autograd::Function<Rotate> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const Rope& rope) {
    context->save_for_backward({rope.cosines, rope.sines});
    context->saved_data["head_dim"] = rope.head_dim;
    context->saved_data["offset"] = rope.offset;
    return turned(x, rope, 1);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Rope rope{saved[0], saved[1], context->saved_data["head_dim"].toInt(),
                    context->saved_data["offset"].toInt()};
    return {turned(gradients[0].contiguous(), rope, -1), {}};
  }
};

}  // namespace

Rope Rope::rows(const at::Tensor& wanted) const {
  return {cosines.index_select(0, wanted), sines.index_select(0, wanted), head_dim, offset};
}

Rope Rope::on(at::Device device) const {
  return {cosines.to(device), sines.to(device), head_dim, offset};
}

Rope Rope::segment(int64_t of_head_dim, int64_t from) const {
  return {cosines, sines, of_head_dim, from};
}

Rope make_rope(const at::Tensor& positions, const at::Tensor& inverse_frequencies,
               at::ScalarType type) {
  const at::Tensor angles = at::outer(positions.to(at::kDouble), inverse_frequencies);
  return {at::cos(angles).to(type).contiguous(), at::sin(angles).to(type).contiguous(),
          2 * inverse_frequencies.size(0), 0};
}

at::Tensor rotate(const at::Tensor& x, const Rope& rope) {
  const at::ScalarType arithmetic = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor &cosines = rope.cosines, &sines = rope.sines;
  if (x.dim() != 2 || cosines.dim() != 2 || cosines.size(0) != x.size(0) ||
      cosines.sizes() != sines.sizes() || cosines.size(1) == 0 || rope.offset < 0 ||
      rope.offset + 2 * cosines.size(1) > rope.head_dim || x.size(1) % rope.head_dim != 0 ||
      cosines.scalar_type() != arithmetic) {
    throw ShapeError("rotate: x is [{}, {}], angles [{}, {}] from {} of heads of {}", x.size(0),
                     x.size(-1), cosines.size(0), cosines.size(-1), rope.offset, rope.head_dim);
  }
  if (!takes_kernel(x)) return rotate_reference(x.to(arithmetic), rope).to(x.scalar_type());
  return Rotate::apply(x.contiguous(), rope);
}

at::Tensor rotate_reference(const at::Tensor& x, const Rope& rope) {
  const int64_t half = rope.cosines.size(1), behind = rope.offset + 2 * half;
  const at::Tensor heads = x.reshape({x.size(0), -1, rope.head_dim});
  const at::Tensor a = heads.narrow(2, rope.offset, half),
                   b = heads.narrow(2, rope.offset + half, half);
  const at::Tensor c = rope.cosines.unsqueeze(1), s = rope.sines.unsqueeze(1);
  return at::cat({heads.narrow(2, 0, rope.offset), a * c - b * s, b * c + a * s,
                  heads.narrow(2, behind, rope.head_dim - behind)},
                 2)
      .reshape(x.sizes());
}

}  // namespace tandem::learn
