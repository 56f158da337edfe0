// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/dropout.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "learn/model.h"
#include "learn/name_hash.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 1 << 15;  // elements a thread should get at least

// A function of its own with restrict pointers: captured by reference, factor could alias the
// output and the loop would not vectorise.
template <typename T>
void mask_span(const T* __restrict from, const uint8_t* __restrict keep, T factor, int64_t count,
               T* __restrict to) {
  for (int64_t i = 0; i < count; ++i) {
    to[i] = from[i] * (factor * static_cast<T>(keep[i]));
  }
}

at::Tensor apply_mask(const at::Tensor& x, const at::Tensor& keep, double scale) {
  at::Tensor result = at::empty_like(x);
  const uint8_t* kept = keep.const_data_ptr<uint8_t>();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "dropout", [&] {
    const auto* from = x.const_data_ptr<scalar_t>();
    auto* to = result.data_ptr<scalar_t>();
    at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      mask_span(from + begin, kept + begin, static_cast<scalar_t>(scale), end - begin, to + begin);
    });
  });
  return result;
}

struct Dropout : torch::autograd::Function<Dropout> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& keep,
                            double scale) {
    context->save_for_backward({keep});
    context->saved_data["scale"] = scale;
    return apply_mask(x.contiguous(), keep, scale);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {apply_mask(gradients[0].contiguous(), context->get_saved_variables()[0],
                       context->saved_data["scale"].toDouble()),
            {},
            {}};
  }
};

// The finaliser of SplitMix64 (Steele et al., OOPSLA 2014): a counter in, 64 well-mixed bits out.
inline uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// Elements [4 first, min(4 last, count)) of a mask; 16 random bits an element.
void draw_groups(uint64_t key, uint64_t stride, uint32_t dropped, int64_t first, int64_t last,
                 int64_t count, uint8_t* __restrict out) {
  for (int64_t group = first; group < last; ++group) {
    const uint64_t bits = mix(key + stride * static_cast<uint64_t>(group + 1));
    if (4 * group + 4 <= count) {
      for (int i = 0; i < 4; ++i) {
        out[4 * group + i] = static_cast<uint32_t>((bits >> (16 * i)) & 0xFFFF) >= dropped;
      }
    } else {
      for (int64_t i = 4 * group; i < count; ++i) {
        out[i] = static_cast<uint32_t>((bits >> (16 * (i & 3))) & 0xFFFF) >= dropped;
      }
    }
  }
}

}  // namespace

at::Tensor dropout(const at::Tensor& x, const at::Tensor& keep, double p) {
  if (x.numel() != keep.numel() || keep.scalar_type() != at::kByte) {
    throw ShapeError("dropout: x has {} elements, the mask {}", x.numel(), keep.numel());
  }
  if (!takes_kernel(x)) return dropout_reference(x, keep, p);
  return Dropout::apply(x, keep.contiguous(), 1.0 / (1.0 - p));
}

at::Tensor dropout_reference(const at::Tensor& x, const at::Tensor& keep, double p) {
  return x * keep.to(x.device(), x.scalar_type()).view(x.sizes()) / (1.0 - p);
}

at::Tensor DropoutRng::keep(std::string_view site, int64_t rows, int64_t columns, double p) const {
  const uint64_t name = name_hash(site);
  // Philox separates seeds, steps and sites; the cheaper mixer below only has to spread one site's
  // counter.
  const auto words = philox(seed_ ^ (uint64_t{static_cast<uint32_t>(RngPurpose::kDropout)} << 56),
                            {static_cast<uint32_t>(step_), static_cast<uint32_t>(step_ >> 32),
                             static_cast<uint32_t>(name), static_cast<uint32_t>(name >> 32)});
  const uint64_t key = uint64_t{words[1]} << 32 | words[0];
  const uint64_t stride = (uint64_t{words[3]} << 32 | words[2]) | 1;
  const int64_t count = rows * columns;
  at::Tensor mask = at::empty({rows, columns}, at::kByte);
  uint8_t* out = mask.data_ptr<uint8_t>();
  // p is rounded to a multiple of 2^-16.
  const auto dropped = static_cast<uint32_t>(std::lround(std::clamp(p, 0.0, 1.0) * 65536.0));
  at::parallel_for(0, (count + 3) / 4, kGrain / 4, [&](int64_t begin, int64_t end) {
    draw_groups(key, stride, dropped, begin, end, count, out);
  });
  return mask;
}

}  // namespace tandem::learn
