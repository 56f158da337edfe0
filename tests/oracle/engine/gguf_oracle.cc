// SPDX-License-Identifier: Apache-2.0
// GGUF: every element type against ggml, whole models against transformers.
#include <fmt/format.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "engine/llama/generate.h"
#include "engine/llama/llama.h"
#include "formats/ggml_blocks.h"
#include "formats/safetensors.h"
#include "oracle/engine/ggml_quantize.h"
#include "oracle/engine/llama_logits.h"
#include "oracle/report.h"
#include "tokenizer/tokenizer.h"

namespace tandem::engine {
namespace {

// The README's limit, of the largest logit.
constexpr double kLogitsLimit = 1e-5;

template <typename T>
bool same_bytes(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// <type>.raw and <type>.dequant; where there is a source, the raw bytes are made from it too.
void check_blocks(const SafetensorsFile& file, OracleReport& report) {
  report.part(file.path().stem().string());
  for (const auto& [name, raw] : file.tensors()) {
    if (!name.ends_with(".raw")) continue;
    const std::string type_name = name.substr(0, name.size() - 4);
    const auto type = ggml_type_named(type_name);
    if (!type) {
      report.fail(name, "not a type that is read");
      continue;
    }
    const std::span<const float> wanted = file.at(type_name + ".dequant").as<float>();
    std::vector<float> values(raw.bytes.size() / static_cast<size_t>(type->block_bytes) *
                              static_cast<size_t>(type->block));
    ggml_dequantize(type->type, raw.bytes, values.data());
    report.equal(type_name + ".dequant", same_bytes<float>(values, wanted),
                 fmt::format("{} values", wanted.size()));
    if (!file.contains("source")) continue;
    const auto bytes = GgmlQuantizer::quantize(type->type, file.at("source").as<float>());
    if (bytes)
      report.equal(name, same_bytes<std::byte>(*bytes, raw.bytes),
                   fmt::format("{} bytes", raw.bytes.size()));
  }
}

// A whole file against transformers on its dequantised weights.
void check_model(const fs::path& path, const Json& texts, OracleReport& report) {
  report.part(path.stem().string());
  ThreadPool pool(2);
  const SafetensorsFile want(fs::path(path).replace_extension(".expected.safetensors"));
  const auto source = open_llama(path);
  for (const auto& [name, view] : want.tensors()) {
    if (!name.starts_with("hf.")) continue;
    const StoredTensor weight = source->tensor({name.substr(3), view.shape});
    report.equal(name, same_bytes<float>(weight.read(), view.as<float>()),
                 fmt::format("{} values", view.count()));
  }
  const Llama model(source);
  report.error("logits",
               relative_to_max(batch_logits(model, want.at("input_ids"), pool),
                               want.at("logits").as<float>()),
               kLogitsLimit);
  const auto tokenizer = load_tokenizer(path);
  for (int64_t i = 0; want.contains(fmt::format("text{}.input_ids", i)); ++i) {
    const std::string prefix = fmt::format("text{}.", i);
    const auto ids = token_ids(want.at(prefix + "input_ids").as<int64_t>());
    const auto text = texts.at(static_cast<size_t>(i)).at("text").get<std::string>();
    report.equal(prefix + "input_ids", tokenizer->encode(text, {.add_special = true}) == ids,
                 fmt::format("{} ids", ids.size()));
    const Matrix logits = all_logits(model, ids, pool);
    const std::span<const float> last(logits.row(logits.rows - 1),
                                      static_cast<size_t>(logits.columns));
    report.error(prefix + "last_logits",
                 relative_to_max(last, want.at(prefix + "last_logits").as<float>()), kLogitsLimit);
    if (!want.contains(prefix + "greedy16")) continue;
    const auto wanted = token_ids(want.at(prefix + "greedy16").as<int64_t>());
    const GenerationOptions options{.max_new_tokens = static_cast<int64_t>(wanted.size())};
    report.equal(prefix + "greedy16", generate(model, ids, options, pool) == wanted,
                 fmt::format("{} ids", wanted.size()));
  }
}

void check_gguf(const fs::path& folder, OracleReport& report) {
  const Json texts = read_json(folder / "texts.json");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors") && !name.ends_with(".expected.safetensors"))
      check_blocks(SafetensorsFile(entry.path()), report);
    if (name.ends_with(".gguf")) check_model(entry.path(), texts, report);
  }
}

const OracleChecker gguf("gguf", "engine", check_gguf);

}  // namespace
}  // namespace tandem::engine
