// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/post_norm_block.h"

#include "engine/kernels/gelu.h"

namespace tandem::engine {

void add_to(std::vector<float>& x, const float* y) {
  for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

void PostNormBlock::apply(std::vector<float>& x, int64_t heads,
                          std::span<const KeyRange> ranges) const {
  const int64_t width = std::ssize(output.bias), steps = std::ssize(x) / width,
                queries = std::ssize(ranges);
  std::vector<float> keys(steps * width), values(steps * width), wanted(queries * width),
      seen(queries * width);
  key.forward(x.data(), steps, keys.data());
  value.forward(x.data(), steps, values.data());
  x.erase(x.begin(), x.end() - queries * width);
  query.forward(x.data(), queries, wanted.data());
  attend({heads, heads, width / heads}, wanted.data(),
         {.first_row = 0,
          .segments = {{keys.data(), values.data(), steps}},
          .ranges = {ranges.begin(), ranges.end()}},
         seen.data());

  std::vector<float> h(queries * width), inner(queries * std::ssize(w_1.bias));
  output.forward(seen.data(), queries, h.data());
  add_to(h, x.data());
  attention_norm.apply(h.data(), queries);
  w_1.forward(h.data(), queries, inner.data());
  gelu(inner.data(), std::ssize(inner));
  w_2.forward(inner.data(), queries, x.data());
  add_to(x, h.data());
  output_norm.apply(x.data(), queries);
}

void encode_last(std::span<const PostNormBlock> blocks, std::vector<float>& x, int64_t heads,
                 std::span<const KeyRange> ranges) {
  for (const PostNormBlock& block : blocks)
    block.apply(x, heads, &block == &blocks.back() ? ranges.last(1) : ranges);
}

}  // namespace tandem::engine
