// SPDX-License-Identifier: Apache-2.0
// LoRA against PEFT: logits with an adapter, without and merged, the first batch's gradients, and
// ten AdamW steps of every run.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "learn/llama/llama.h"
#include "learn/optim/adamw.h"
#include "learn/optim/schedule.h"
#include "oracle/learn/llama_cases.h"

namespace tandem::learn {
namespace {

// The README's limits.
constexpr double kLossLimit = 1e-5, kNormLimit = 3e-5, kGradientLimit = 1e-5, kLogitsLimit = 1e-5;
constexpr double kTravelLimit = 1e-3, kMergedLimit = 1e-6, kRateLimit = 1e-12;

struct LoraCase {
  fs::path folder;
  Json training;
  std::unique_ptr<LlamaWeights> weights;
  LlamaOptions options;

  explicit LoraCase(const fs::path& path)
      : folder(path), training(read_json(path / "training.json")) {
    const fs::path base = path.parent_path() / training.at("base").get<std::string>();
    weights = source_weights(open_llama(base));
    options.lora =
        LoraConfig{.rank = training.at("r").get<int64_t>(),
                   .alpha = training.at("lora_alpha").get<double>(),
                   .dropout = 0,
                   .targets = training.at("target_modules").get<std::vector<std::string>>()};
  }

  // The model with the stored initial adapter.
  Llama model(bool checkpoint = false) const {
    LlamaOptions chosen = options;
    chosen.checkpoint_layers = checkpoint;
    Llama made(*weights, chosen);
    const SafetensorsFile adapter(folder / "adapter_init" / "adapter_model.safetensors");
    at::NoGradGuard no_grad;
    for (const NamedParameter& parameter : made.parameters())
      parameter.value.detach().copy_(stored_tensor(adapter.at(parameter.name)));
    return made;
  }
};

at::Tensor probe_logits(const Llama& model, const Json& training) {
  at::NoGradGuard no_grad;
  const PackedTokens probe = pack_sequence(training.at("probe").get<std::vector<int64_t>>());
  return model.logits(model.hidden(probe, nullptr));
}

void check_logits(const LoraCase& lora, const SafetensorsFile& want, OracleReport& report) {
  const Llama model = lora.model();
  report.error("logits.adapter_init",
               tensor_error(probe_logits(model, lora.training),
                            stored_tensor(want.at("logits.adapter_init"))),
               kLogitsLimit);
  const Llama base(*lora.weights, {});
  report.error(
      "logits.base",
      tensor_error(probe_logits(base, lora.training), stored_tensor(want.at("logits.base"))),
      kLogitsLimit);

  const SafetensorsFile merged(lora.folder / "merged_init.safetensors");
  double worst = 0;
  size_t compared = 0;
  for (const LlamaLayer& block : model.blocks()) {
    for (const Projection* projection : {&block.q_proj, &block.k_proj, &block.v_proj, &block.o_proj,
                                         &block.gate_proj, &block.up_proj, &block.down_proj}) {
      if (!projection->adapter) continue;
      at::Tensor scratch;
      const at::Tensor weight =
          projection->frozen->rows(0, projection->frozen->outputs(), at::kFloat, scratch);
      const at::Tensor sum = merged_weight(weight, *projection->adapter);
      worst = std::max(worst,
                       tensor_error(sum, stored_tensor(merged.at(projection->module + ".weight"))));
      ++compared;
    }
  }
  report.equal("number of merged weights", compared == merged.tensors().size(),
               fmt::format("{}", compared));
  report.error("merged weights", worst, kMergedLimit);
}

void check_gradients(const LoraCase& lora, const SafetensorsFile& want, OracleReport& report) {
  const PackedCase batch = pack_batch(lora.training.at("batches").at(0));
  std::vector<at::Tensor> plain;
  bool is_equal = true;
  for (const bool checkpoint : {false, true}) {
    const Llama model = lora.model(checkpoint);
    model.loss(batch.packed, batch.supervised, nullptr).backward();
    double worst = 0;
    for (size_t i = 0; i < model.parameters().size(); ++i) {
      const NamedParameter& parameter = model.parameters()[i];
      const at::Tensor gradient = parameter.value.grad();
      if (checkpoint) is_equal = is_equal && gradient.equal(plain[i]);
      plain.push_back(gradient);
      worst =
          std::max(worst, tensor_error(gradient, stored_tensor(want.at("grad." + parameter.name))));
    }
    report.error(checkpoint ? "first gradients, checkpointed" : "first gradients", worst,
                 kGradientLimit);
  }
  report.equal("gradients with activation checkpointing", is_equal, "same bits");
}

double relative(double value, double wanted) {
  const double difference = std::abs(value - wanted);
  return wanted == 0 ? difference : difference / std::abs(wanted);
}

// Final minus initial adapter, L2 of the difference over L2, worst tensor.
double travel_error(const LoraCase& lora, const Llama& model, const fs::path& final_folder) {
  const SafetensorsFile initial(lora.folder / "adapter_init" / "adapter_model.safetensors");
  const SafetensorsFile wanted(final_folder / "adapter_model.safetensors");
  double worst = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    const at::Tensor start = stored_tensor(initial.at(parameter.name));
    const at::Tensor way = stored_tensor(wanted.at(parameter.name)) - start;
    const at::Tensor ours = parameter.value.detach() - start;
    worst = std::max(worst, at::linalg_vector_norm(ours - way).item<double>() /
                                at::linalg_vector_norm(way).item<double>());
  }
  return worst;
}

void check_run(const LoraCase& lora, const std::string& name, const Json& run,
               OracleReport& report) {
  const Json& settings = run.at("settings");
  const auto betas = settings.at("betas").get<std::vector<double>>();
  const Llama model = lora.model();
  AdamW optimizer(model.parameters(),
                  {.beta1 = betas.at(0),
                   .beta2 = betas.at(1),
                   .eps = settings.at("eps").get<double>(),
                   .weight_decay = settings.at("weight_decay").get<double>()},
                  [](std::string_view) { return true; });
  const Schedule schedule{parse_schedule(settings.at("scheduler").get<std::string>()),
                          settings.at("warmup_steps").get<double>(),
                          lora.training.at("steps").get<int64_t>()};
  const auto losses = run.at("loss").get<std::vector<double>>();
  const auto norms = run.at("grad_norm").get<std::vector<double>>();
  const auto rates = run.at("lr").get<std::vector<double>>();
  const Json& batches = lora.training.at("batches");
  double worst_loss = 0, worst_norm = 0, worst_rate = 0;
  for (size_t step = 0; step < losses.size(); ++step) {
    const PackedCase batch = pack_batch(batches.at(step));
    optimizer.zero_gradients();
    const at::Tensor loss = model.loss(batch.packed, batch.supervised, nullptr);
    loss.backward();
    const double norm = optimizer.clip_gradients(settings.at("max_grad_norm").get<double>());
    const double rate =
        settings.at("lr").get<double>() * schedule.factor(static_cast<int64_t>(step));
    optimizer.step(rate);
    worst_loss = std::max(worst_loss, relative(loss.item<double>(), losses[step]));
    worst_norm = std::max(worst_norm, relative(norm, norms[step]));
    worst_rate = std::max(worst_rate, relative(rate, rates[step]));
  }
  report.error(name + " losses", worst_loss, kLossLimit);
  report.error(name + " gradient norms", worst_norm, kNormLimit);
  report.error(name + " learning rates", worst_rate, kRateLimit);
  const PackedCase first = pack_batch(batches.at(0));
  at::NoGradGuard no_grad;
  const double after = model.loss(first.packed, first.supervised, nullptr).item<double>();
  report.error(name + " loss of the first batch after",
               relative(after, run.at("loss_of_first_batch_after").get<double>()), kLossLimit);
  report.error(name + " way travelled",
               travel_error(lora, model, lora.folder / ("adapter_" + name)), kTravelLimit);
}

void check_lora(const fs::path& folder, OracleReport& report) {
  std::vector<fs::path> cases;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (fs::exists(entry.path() / "training.json")) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  for (const fs::path& path : cases) {
    report.part(path.filename().string());
    const LoraCase lora(path);
    const SafetensorsFile want(path / "outputs.safetensors");
    check_logits(lora, want, report);
    check_gradients(lora, want, report);
    for (const auto& [name, run] : lora.training.at("runs").items())
      check_run(lora, name, run, report);
  }
}

const OracleChecker checker("lora", "learn", check_lora);

}  // namespace
}  // namespace tandem::learn
