// SPDX-License-Identifier: Apache-2.0
#include "models/llama_adapter.h"

#include <map>
#include <string>

#include "core/error.h"

namespace tandem {

void check_adapter(const PeftFolder& adapter, const LlamaConfig& config) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const TensorSpec& spec : llama_tensors(config)) shapes.emplace(spec.name, spec.shape);
  shapes["lm_head.weight"] = {config.vocab_size, config.hidden_size};  // also a tied one
  shapes.erase("model.embed_tokens.weight");
  for (const PeftModule& module : adapter.modules()) {
    const auto found = shapes.find(module.name + ".weight");
    if (found == shapes.end() || found->second.size() != 2)
      throw FormatError("{}: module '{}' is no linear layer of this model", adapter.path().string(),
                        module.name);
    const std::vector<int64_t>& shape = found->second;
    if (module.a.shape()[1] != shape[1] || module.b.shape()[0] != shape[0])
      throw FormatError("{}: module '{}' has A {} and B {}, the model's layer is {}",
                        adapter.path().string(), module.name, format_shape(module.a.shape()),
                        format_shape(module.b.shape()), format_shape(shape));
  }
}

}  // namespace tandem
