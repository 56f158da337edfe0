// SPDX-License-Identifier: Apache-2.0
#include "learn/transformer_config.h"

#include "core/error.h"

namespace tandem::learn {

void TransformerConfig::validate(std::string_view model, int64_t least_width) const {
  if (num_items < 1) throw ConfigError("{}: {} items; expected at least 1", model, num_items);
  if (width < least_width || heads < 1 || width % heads != 0)
    throw ConfigError("{}: width {} is not a multiple of heads {}", model, width, heads);
  if (blocks < 1) throw ConfigError("{}: blocks is {}; expected at least 1", model, blocks);
  if (inner < 1) throw ConfigError("{}: inner is {}; expected at least 1", model, inner);
  if (max_length < 1)
    throw ConfigError("{}: max_length is {}; expected at least 1", model, max_length);
  for (const double p : {dropout, attn_dropout}) {
    if (!(p >= 0 && p < 1)) throw ConfigError("{}: dropout is {}; expected 0 <= p < 1", model, p);
  }
}

}  // namespace tandem::learn
