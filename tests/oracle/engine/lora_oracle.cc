// SPDX-License-Identifier: Apache-2.0
// LoRA adapters in the engine against PEFT: the adapter beside the base, without it, merged.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "engine/llama/llama.h"
#include "formats/peft_folder.h"
#include "models/llama_merge.h"
#include "oracle/engine/llama_logits.h"
#include "oracle/report.h"
#include "support/temporary_folder.h"

namespace tandem::engine {
namespace {

// The README's limit on logits; merged weights are a float32 product and sum of numbers around 1.
constexpr double kLogitsLimit = 1e-5, kMergedLimit = 1e-6;

void check_case(const fs::path& folder, OracleReport& report) {
  report.part(folder.filename().string());
  ThreadPool pool(2);
  const Json training = read_json(folder / "training.json");
  const SafetensorsFile want(folder / "outputs.safetensors");
  const auto probe = json_get<std::vector<int32_t>>(training, "probe", "training.json");
  const fs::path base = (folder.parent_path() / json_get<std::string>(training, "base", "training"))
                            .lexically_normal();
  const auto compare = [&](const Llama& model, const std::string& name) {
    report.error(name,
                 relative_to_max(all_logits(model, probe, pool).values, want.at(name).as<float>()),
                 kLogitsLimit);
  };
  const auto source = open_llama(base);
  const PeftFolder adapter(folder / "adapter_init");
  compare(Llama(source, &adapter), "logits.adapter_init");
  compare(Llama(source), "logits.base");

  const SafetensorsFile merged(folder / "merged_init.safetensors");
  for (const auto& [name, view] : merged.tensors()) {
    const std::string module = name.substr(0, name.size() - std::string(".weight").size());
    const PeftModule* lora = adapter.find(module);
    if (!lora) {
      report.fail(name, "the adapter has no such module");
      continue;
    }
    report.error(
        "merged " + name,
        relative_to_max(merged_weight(source->tensor({name, view.shape}), *lora), view.as<float>()),
        kMergedLimit);
  }
  report.equal("merged modules", merged.tensors().size() == adapter.modules().size(),
               fmt::format("{}", merged.tensors().size()));

  const test::TemporaryFolder temporary;
  const fs::path output = temporary / "merged";
  merge_adapter(*source, adapter, {output, kModelFolder, true}, {}, pool);
  compare(Llama(output), "logits.merged_init");
}

void check_lora(const fs::path& folder, OracleReport& report) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (fs::exists(entry.path() / "training.json")) check_case(entry.path(), report);
}

const OracleChecker lora("lora", "engine", check_lora);

}  // namespace
}  // namespace tandem::engine
