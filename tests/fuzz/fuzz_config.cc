// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "core/check.h"
#include "core/config.h"
#include "core/error.h"
#include "fuzz/memory_file.h"

namespace tandem {
namespace {

struct Values {
  std::string text = "a", choice = "x";
  int64_t whole = 1;
  double real = 0.5;
  bool flag = false;

  ConfigSchema schema() {
    ConfigSchema schema;
    schema.add("a.text", &text, "");
    schema.add("a.choice", &choice, "", {"x", "y"});
    schema.add("a.whole", &whole, "");
    schema.add("a.b.real", &real, "");
    schema.add("flag", &flag, "");
    return schema;
  }
};

void load(ConfigSchema& schema, const uint8_t* data, size_t size) {
  const MemoryFile input(data, size);
  schema.load_yaml(input.path());
}

}  // namespace
}  // namespace tandem

// What is accepted is written as YAML that gives the same values.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  Values values;
  ConfigSchema schema = values.schema();
  try {
    schema.set({reinterpret_cast<const char*>(data), size});
  } catch (const ConfigError&) {
  }
  try {
    load(schema, data, size);
  } catch (const ConfigError&) {
    return 0;
  }
  const std::string yaml = schema.to_yaml();
  Values again;
  ConfigSchema second = again.schema();
  load(second, reinterpret_cast<const uint8_t*>(yaml.data()), yaml.size());
  TANDEM_CHECK(second.to_yaml() == yaml, "{}", yaml);
  TANDEM_CHECK(again.text == values.text && again.real == values.real);
  return 0;
}
