// SPDX-License-Identifier: Apache-2.0
#include "learn/modules/post_norm_block.h"

#include "core/error.h"
#include "learn/ops/attention.h"
#include "learn/ops/gelu_dropout.h"

namespace tandem::learn {

at::Tensor PostNormBlock::forward(const at::Tensor& x, const Pass& pass) const {
  const DropoutSites dropout = pass.dropout.at(pass.wanted),
                     attention_dropout = pass.attention_dropout.at(pass.wanted);
  const at::Tensor asking = pass.wanted.defined() ? x.index_select(0, pass.wanted) : x;  // [Q, D]
  const DropoutMask mask = attention_dropout.mask(x, attention_site, pass.heads * pass.max_length);
  const at::Tensor seen =
      attention({pass.heads, pass.heads, x.size(1) / pass.heads}, query.forward(asking),
                key.forward(x), value.forward(x), pass.ranges,
                {.keep = mask.keep, .p = mask.p, .save_probabilities = true});  // [Q, D]
  const at::Tensor mixed = output.forward(seen);
  const at::Tensor h = attention_norm.forward(mixed, asking, dropout.mask(mixed, output_site));
  const at::Tensor fed = w_2.forward(gelu_dropout(w_1.forward(h), {}, 0));
  return output_norm.forward(fed, h, dropout.mask(fed, ffn_site));
}

PostNormBlock::Pass post_norm_pass(std::string_view model, const TransformerConfig& config,
                                   KeyRanges ranges, int64_t positions, const DropoutRng* rng) {
  const int64_t longest = ranges.longest_row();
  if (longest > config.max_length)
    throw ShapeError("{}: a row has {} inputs, max_length is {}", model, longest,
                     config.max_length);
  return {.heads = config.heads,
          .max_length = config.max_length,
          .ranges = std::move(ranges),
          .wanted = {},
          .dropout = {rng, config.dropout, positions},
          .attention_dropout = {rng, config.attn_dropout, positions}};
}

at::Tensor encode(const std::vector<PostNormBlock>& blocks, at::Tensor x, PostNormBlock::Pass pass,
                  const at::Tensor& wanted, const std::function<KeyRanges()>& wanted_ranges) {
  x = pass.dropout.apply(x, "embedding");
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i + 1 == blocks.size() && wanted.defined()) {
      pass.wanted = wanted;
      pass.ranges = wanted_ranges();
    }
    x = blocks[i].forward(x, pass);
  }
  return x;
}

}  // namespace tandem::learn
