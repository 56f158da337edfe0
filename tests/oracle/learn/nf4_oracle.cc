// SPDX-License-Identifier: Apache-2.0
// NF4 in training against bitsandbytes: Linear4bit with float32 and bfloat16 arithmetic, models
// that transformers saved in 4 bits.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "formats/nf4.h"
#include "learn/ops/frozen_linear.h"
#include "learn/ops/nf4_weight.h"
#include "oracle/learn/llama_cases.h"

namespace tandem::learn {
namespace {

// The README's limits, relative to the largest element.
constexpr double kFloatLimit = 1e-5, kBf16Limit = 1e-2;
// A bfloat16 run may differ from float32 arithmetic by half more than transformers' own does.
constexpr double kBf16Factor = 1.5;

void check_linear(const fs::path& folder, OracleReport& report) {
  const SafetensorsFile file(folder / "linear4bit.safetensors");
  at::NoGradGuard no_grad;
  const Json cases = read_json(folder / "linear4bit.json");
  for (const auto& [name, description] : cases.items()) {
    const TensorView& weight = file.at(name + ".weight");
    const at::Tensor x = stored_tensor(file.at(name + ".x"));
    const at::Tensor bias =
        file.contains(name + ".bias") ? stored_tensor(file.at(name + ".bias")) : at::Tensor();
    for (const bool is_double : {false, true}) {
      const Nf4Options options{.double_quant = is_double, .second_level = Nf4SecondLevel::kTable};
      const FrozenWeightPtr frozen =
          nf4_weight(nf4_quantize(weight.as<float>(), weight.shape, options));
      const std::string prefix = fmt::format("{}.y.{}", name, is_double ? "dq" : "plain");
      const at::Tensor y = frozen_linear(x, frozen, bias);
      report.error(prefix + ".f32", tensor_error(y, stored_tensor(file.at(prefix + ".f32"))),
                   kFloatLimit);
      report.error(prefix + ".f64ref", tensor_error(y, stored_tensor(file.at(prefix + ".f64ref"))),
                   kFloatLimit);
      const at::Tensor half = frozen_linear(x.to(at::kBFloat16), frozen, bias);
      report.error(prefix + ".bf16", tensor_error(half, stored_tensor(file.at(prefix + ".bf16"))),
                   kBf16Limit);
    }
  }
}

// A whole model that transformers saved in 4 bits.
void check_folder(const fs::path& folder, OracleReport& report) {
  const SafetensorsFile want(folder / "expected.safetensors");
  const at::Tensor ids = stored_tensor(want.at("input_ids"));  // [B, T], no padding
  std::vector<int64_t> starts;
  for (int64_t row = 0; row <= ids.size(0); ++row) starts.push_back(row * ids.size(1));
  const PackedTokens packed{ids.reshape({-1}), at::tensor(starts, at::kLong)};
  const auto stored = [&](const char* name) {
    const at::Tensor logits = stored_tensor(want.at(name));
    return logits.reshape({-1, logits.size(2)});
  };
  const at::Tensor exact = stored("logits_f32_of_dequantised");
  const auto weights = source_weights(open_llama(folder));
  at::NoGradGuard no_grad;
  const auto error = [&](Precision precision) {
    const Llama model(*weights, {.precision = precision});
    return tensor_error(model.logits(model.hidden(packed, nullptr)), exact);
  };
  report.error("logits", error(Precision::kFloat32), kFloatLimit);
  report.error("logits, bfloat16 arithmetic", error(Precision::kBfloat16),
               kBf16Factor * tensor_error(stored("logits_bnb_bf16_compute"), exact));
}

void check_nf4(const fs::path& folder, OracleReport& report) {
  check_linear(folder, report);
  std::vector<fs::path> models;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (fs::exists(entry.path() / "expected.safetensors")) models.push_back(entry.path());
  std::sort(models.begin(), models.end());
  for (const fs::path& model : models) {
    report.part(model.filename().string());
    check_folder(model, report);
  }
}

const OracleChecker checker("nf4", "learn", check_nf4);

}  // namespace
}  // namespace tandem::learn
