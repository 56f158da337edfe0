// SPDX-License-Identifier: Apache-2.0
#include "models/parameter_spec.h"

#include <fmt/format.h>

#include "core/error.h"

namespace tandem {

void add_linear(std::vector<TensorSpec>& specs, const std::string& name, int64_t outputs,
                int64_t inputs) {
  specs.push_back({name + ".weight", {outputs, inputs}});
  specs.push_back({name + ".bias", {outputs}});
}

void add_norm(std::vector<TensorSpec>& specs, const std::string& name, int64_t width) {
  specs.push_back({name + ".weight", {width}});
  specs.push_back({name + ".bias", {width}});
}

const std::vector<int64_t>& matrix_shape(const TensorShapes& shapes, const std::string& name,
                                         std::string_view where) {
  const auto found = shapes.find(name);
  if (found == shapes.end()) throw FormatError("{}: tensor '{}' is missing", where, name);
  if (found->second.size() != 2)
    throw FormatError("{}: tensor '{}' has the shape {}, expected a matrix", where, name,
                      format_shape(found->second));
  return found->second;
}

int64_t count_blocks(const TensorShapes& shapes, std::string_view prefix) {
  int64_t blocks = 0;
  while (true) {
    const std::string name = fmt::format("{}{}.", prefix, blocks);
    const auto found = shapes.lower_bound(name);
    if (found == shapes.end() || !found->first.starts_with(name)) return blocks;
    ++blocks;
  }
}

}  // namespace tandem
