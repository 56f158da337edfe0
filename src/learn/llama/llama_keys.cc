// SPDX-License-Identifier: Apache-2.0
#include "learn/llama/llama_keys.h"

namespace tandem::learn {

void add_llama_keys(ConfigSchema& schema, std::string& precision, bool& checkpoint_layers) {
  schema.add("model.precision", &precision, "of products: float32 or bfloat16",
             {"float32", "bfloat16"});
  schema
      .add("model.checkpoint_layers", &checkpoint_layers,
           "keep only layers' inputs and compute each layer again in the backward pass")
      .may_change();  // the same bits
}

}  // namespace tandem::learn
