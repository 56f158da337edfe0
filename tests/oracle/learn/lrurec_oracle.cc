// SPDX-License-Identifier: Apache-2.0
// LRURec against values of the authors' code. Left-padded batches are packed two ways: from the
// first position that is real or labelled (what training does), and whole, to compare the padded
// positions as well.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "eval/metrics.h"
#include "learn/optim/adamw.h"
#include "oracle/learn/lrurec_fixture.h"
#include "oracle/report.h"

namespace tandem::learn {
namespace {

// README.md of the oracle, "Fair tolerances".
constexpr double kValueLimit = 2e-5, kLossLimit = 5e-6, kGradientLimit = 2e-5;
constexpr double kStepLossLimit = 2e-5, kParameterLimit = 3e-5, kParamsLogLimit = 5e-5;
// Norms are sums over many gradients of either sign of error; moments come from parameters that
// have drifted by up to the limit above.
constexpr double kNormLimit = 2e-5, kMomentLimit = 1e-4;

at::Tensor logits_of(const LruRec& model, const Packed& packed,
                     const DropoutRng* dropout = nullptr) {
  at::NoGradGuard no_grad;
  return at::linear(model.hidden(packed.batch, dropout), model.item_table(), model.item_bias());
}

double gradient_norm(const LruRec& model) {
  double sum = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    const at::Tensor g = parameter.value.grad().to(at::kDouble);
    sum += (g * g).sum().item<double>();
  }
  return std::sqrt(sum);
}

// The worst gradient, each relative to the largest value of its tensor, of those that the file
// holds.
double worst_gradient(const LruRec& model, const SafetensorsFile& file, const std::string& prefix,
                      int64_t& compared) {
  double worst = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    if (!file.contains(prefix + parameter.name)) continue;
    const double error =
        difference(parameter.value.grad(), to_tensor(file, prefix + parameter.name), true);
    worst = std::isnan(error) ? error : std::max(worst, error);
    ++compared;
  }
  return worst;
}

// Every layer over all P positions: those beyond L enter the first block as zero vectors.
void check_layers(const LruRec& model, const SafetensorsFile& forward, const Packed& whole,
                  OracleReport& report) {
  at::NoGradGuard no_grad;
  const int64_t rows = whole.rows, length = whole.length, width = model.config().width;
  const at::Tensor embedded = model.embed(whole.batch.items, nullptr).view({rows, length, width});
  report.error("embedding.out", difference(embedded, to_tensor(forward, "embedding.out")),
               kValueLimit);
  const int64_t positions = forward.at("lru_blocks.0.lru_layer.out").shape.at(1),
                extra = positions - length;
  at::Tensor x = at::cat({at::zeros({rows, extra, width}), embedded}, 1).reshape({-1, width});
  PackedBatch padded;
  padded.items =
      at::cat({at::zeros({rows, extra}, at::kLong), whole.batch.items.view({rows, length})}, 1)
          .reshape({-1});
  std::vector<int64_t> starts;
  for (int64_t row = 0; row <= rows; ++row) starts.push_back(row * positions);
  padded.row_starts = at::tensor(starts);
  const PackedRows packed = packed_rows(padded);
  for (size_t i = 0; i < model.blocks().size(); ++i) {
    const LruBlock& block = model.blocks()[i];
    const std::string name = fmt::format("lru_blocks.{}.", i);
    // [P, 2, H] planes against [.., H, 2] pairs
    const at::Tensor state = block.state(x, packed).view({rows, positions, 2, -1}).transpose(2, 3);
    report.error(name + "state", difference(state, to_tensor(forward, name + "state")),
                 kValueLimit);
    const at::Tensor y = block.recurrence(x, packed, {});
    report.error(
        name + "lru_layer.out",
        difference(y.view({rows, positions, width}), to_tensor(forward, name + "lru_layer.out")),
        kValueLimit);
    x = block.feed_forward(y, {});
    report.error(
        name + "feed_forward.out",
        difference(x.view({rows, positions, width}), to_tensor(forward, name + "feed_forward.out")),
        kValueLimit);
  }
}

// Loss, gradients and their norms of one batch.
void check_loss(const LruRec& model, const Packed& packed, const Json& expected,
                const SafetensorsFile* gradients, OracleReport& report) {
  for (const NamedParameter& parameter : model.parameters())
    parameter.value.mutable_grad() = at::Tensor();
  const at::Tensor loss = retriever_loss(model, packed.batch, nullptr);
  report.error(
      "loss",
      std::abs(loss.item<double>() - json_get<double>(expected, "loss_f64", "expected.json")),
      kLossLimit);
  loss.backward();
  if (expected.contains("gradient_norm")) {
    const double norm = expected.at("gradient_norm").get<double>();
    report.error("gradient norm", std::abs(gradient_norm(model) - norm) / norm, kNormLimit);
  }
  if (expected.contains("gradient_norms")) {
    double worst = 0;
    for (const NamedParameter& parameter : model.parameters()) {
      const double norm = expected.at("gradient_norms").at(parameter.name).get<double>();
      const double found = parameter.value.grad().to(at::kDouble).norm().item<double>();
      worst = std::max(worst, std::abs(found - norm) / std::max(norm, 1e-12));
    }
    report.error("gradient norms", worst, kNormLimit);
  }
  if (gradients != nullptr) {
    int64_t compared = 0;
    const double worst = worst_gradient(model, *gradients, "", compared);
    report.error(fmt::format("gradients ({})", compared), worst, kGradientLimit);
  }
}

void check_logits(const LruRec& model, const SafetensorsFile& file, const Packed& packed,
                  const Packed& whole, OracleReport& report) {
  const at::Tensor wanted = to_tensor(file, "logits_f64");
  report.error("logits, packed", difference(logits_of(model, packed), at_places(wanted, packed)),
               kValueLimit);
  report.error("logits, padding too", difference(logits_of(model, whole), at_places(wanted, whole)),
               kValueLimit);
}

// Recall, MRR and NDCG as the authors' evaluation gives them, of scores [B, N + 1] in which
// excluded items are very low.
void check_metrics(const at::Tensor& scores, const at::Tensor& labels, const Json& expected,
                   const std::string& which, OracleReport& report) {
  const Json wanted = json_get<Json>(
      json_get<Json>(expected, "evaluation_metrics", "expected.json"), which, "expected.json");
  std::vector<int32_t> ranks;
  for (int64_t row = 0; row < scores.size(0); ++row) {
    const at::Tensor of_row = scores[row].contiguous();
    ranks.push_back(rank_of({of_row.const_data_ptr<float>(), static_cast<size_t>(of_row.numel())},
                            labels[row][0].item<int32_t>())
                        .rank);
  }
  const std::vector<Metric> metrics = ranking_metrics();
  const std::vector<double> values = means(user_values(ranks, metrics));
  double worst = 0;
  size_t compared = 0;
  for (size_t i = 0; i < metrics.size(); ++i) {
    const auto value = wanted.find(metrics[i].name());
    if (value == wanted.end()) continue;
    worst = std::max(worst, std::abs(values[i] - value->get<double>()));
    ++compared;
  }
  report.equal("evaluation metrics, " + which + ", found", compared == wanted.size(),
               fmt::format("{} metrics", compared));
  report.error("evaluation metrics, " + which, worst, 1e-6);  // stored as float32
}

void check_evaluation(const LruRec& model, const SafetensorsFile& file, const Json& expected,
                      OracleReport& report) {
  const at::Tensor inputs = to_tensor(file, "inputs");
  const Packed packed = pack(inputs, at::zeros_like(inputs), false);
  at::NoGradGuard no_grad;
  const at::Tensor last = packed.batch.row_starts.slice(0, 1) - 1;
  at::Tensor scores = at::linear(model.hidden(packed.batch, nullptr).index_select(0, last),
                                 model.item_table(), model.item_bias());
  report.error("evaluation scores", difference(scores, to_tensor(file, "scores")), kValueLimit);
  check_metrics(scores, to_tensor(file, "labels"), expected, "history_kept", report);
  scores.scatter_(1, inputs, -1e9);
  scores.select(1, 0).fill_(-1e9);
  report.error("evaluation scores, history excluded",
               difference(scores, to_tensor(file, "scores_history_excluded")), kValueLimit);
  check_metrics(scores, to_tensor(file, "labels"), expected, "history_excluded", report);
}

void check_dropout(const fs::path& folder, OracleReport& report) {
  const SafetensorsFile file(folder / "dropout.safetensors");
  const double p = std::stod(json_get<std::string>(file.metadata(), "p", file.path().string()));
  const LruRec model = load_model(SafetensorsFile(folder / "weights.safetensors"), p);
  const Packed packed = pack(to_tensor(file, "inputs"), to_tensor(file, "labels"), false);
  const FileMasks masks(file, packed);
  report.error(
      "dropout logits",
      difference(logits_of(model, packed, &masks), at_places(to_tensor(file, "logits"), packed)),
      kValueLimit);
  const at::Tensor loss = retriever_loss(model, packed.batch, &masks);
  report.error("dropout loss",
               std::abs(loss.item<double>() - to_tensor(file, "loss").item<double>()), kLossLimit);
  loss.backward();
  int64_t compared = 0;
  const double worst = worst_gradient(model, file, "gradient.", compared);
  report.error(fmt::format("dropout gradients ({})", compared), worst, kGradientLimit);
}

// AdamW over the file's batches; `run` is "steps" or "steps_exaggerated".
void check_steps(const fs::path& folder, const std::string& run, OracleReport& report) {
  const std::string where = run + ".json";
  if (!fs::exists(folder / where)) return report.skip(run, "the folder has no " + where);
  const Json settings = read_json(folder / where);
  const LruRec model = load_model(SafetensorsFile(folder / "weights.safetensors"));
  const auto listed = json_get<std::vector<std::string>>(settings, "decayed", where);
  bool same = true;
  for (const NamedParameter& parameter : model.parameters()) {
    same &= model.decayed(parameter.name) ==
            (std::find(listed.begin(), listed.end(), parameter.name) != listed.end());
  }
  report.equal(run + " decayed names", same, fmt::format("{} names", listed.size()));
  const auto betas = json_get<std::vector<double>>(settings, "betas", where);
  AdamW optimizer(model.parameters(),
                  {betas.at(0), betas.at(1), json_get<double>(settings, "eps", where),
                   json_get<double>(settings, "weight_decay", where)},
                  [&](std::string_view name) { return model.decayed(name); });
  const SafetensorsFile batches(folder / "steps_batches.safetensors");
  const at::Tensor inputs = to_tensor(batches, "inputs"), labels = to_tensor(batches, "labels");
  const Json& steps = settings.at("steps");
  double worst_loss = 0, worst_norm = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto step = static_cast<int64_t>(i);
    const Packed packed = pack(inputs[step], labels[step], false);
    optimizer.zero_gradients();
    const at::Tensor loss = retriever_loss(model, packed.batch, nullptr);
    loss.backward();
    const double norm =
        optimizer.clip_gradients(json_get<double>(settings, "max_grad_norm", where));
    optimizer.step(json_get<double>(settings, "lr", where));
    const double wanted_norm = json_get<double>(steps[i], "gradient_norm_f64", where);
    worst_loss = std::max(
        worst_loss, std::abs(loss.item<double>() - json_get<double>(steps[i], "loss_f64", where)));
    worst_norm = std::max(worst_norm, std::abs(norm - wanted_norm) / wanted_norm);
  }
  report.error(fmt::format("{} losses ({})", run, steps.size()), worst_loss, kStepLossLimit);
  report.error(run + " gradient norms", worst_norm, 10 * kNormLimit);

  const SafetensorsFile final_file(folder / (run + "_final.safetensors"));
  double worst = 0, worst_log = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    const double error = difference(parameter.value, to_tensor(final_file, parameter.name));
    double& place = parameter.name.ends_with("params_log") ? worst_log : worst;
    place = std::isnan(error) ? error : std::max(place, error);
  }
  report.error(run + " final parameters", worst, kParameterLimit);
  report.error(run + " final params_log", worst_log, kParamsLogLimit);

  if (!fs::exists(folder / (run + "_moments.safetensors"))) return;
  const SafetensorsFile moments(folder / (run + "_moments.safetensors"));
  double worst_moment = 0;
  int64_t compared = 0;
  for (const NamedParameter& moment : optimizer.state()) {
    if (!moments.contains(moment.name)) continue;
    worst_moment =
        std::max(worst_moment, difference(moment.value, to_tensor(moments, moment.name), true));
    ++compared;
  }
  report.equal(run + " moments found", compared == static_cast<int64_t>(moments.tensors().size()),
               fmt::format("{} tensors", compared));
  report.error(run + " moments", worst_moment, kMomentLimit);
}

void check_small(const fs::path& folder, OracleReport& report) {
  const LruRec model = load_model(SafetensorsFile(folder / "weights.safetensors"));
  const SafetensorsFile batch(folder / "batch.safetensors"),
      forward(folder / "forward.safetensors");
  const at::Tensor inputs = to_tensor(batch, "inputs"), labels = to_tensor(batch, "labels");
  const Packed packed = pack(inputs, labels, false), whole = pack(inputs, labels, true);
  const Json expected = read_json(folder / "expected.json");
  const int64_t positions = packed.batch.labels.ne(0).sum().item<int64_t>();
  report.equal("positions in loss",
               positions == json_get<int64_t>(expected, "positions_in_loss", "expected.json"),
               fmt::format("{}", positions));
  check_layers(model, forward, whole, report);
  check_logits(model, forward, packed, whole, report);
  const SafetensorsFile gradients(folder / "gradients.safetensors");
  check_loss(model, packed, expected, &gradients, report);
  check_evaluation(model, SafetensorsFile(folder / "evaluation.safetensors"), expected, report);
  check_dropout(folder, report);
  for (const char* run : {"steps", "steps_exaggerated"}) check_steps(folder, run, report);
}

void check_paper(const fs::path& folder, OracleReport& report) {
  const LruRec model = load_model(SafetensorsFile(folder / "weights.safetensors"));
  const Json all = read_json(folder / "expected.json");
  for (const auto& [length, expected] : all.items()) {
    report.part("paper/" + length);
    const SafetensorsFile file(folder / (length + ".safetensors"));
    const at::Tensor inputs = to_tensor(file, "inputs"), labels = to_tensor(file, "labels");
    const Packed packed = pack(inputs, labels, false);
    check_logits(model, file, packed, pack(inputs, labels, true), report);
    const fs::path path = folder / ("gradients_" + length + ".safetensors");
    std::optional<SafetensorsFile> gradients;
    if (fs::exists(path)) gradients.emplace(path);
    check_loss(model, packed, expected, gradients ? &*gradients : nullptr, report);
  }
}

void check_lrurec(const fs::path& folder, OracleReport& report) {
  if (fs::exists(folder / "small")) {
    report.part("small");
    check_small(folder / "small", report);
  }
  if (fs::exists(folder / "paper")) check_paper(folder / "paper", report);
}

const OracleChecker checker("lrurec", "learn", check_lrurec);

}  // namespace
}  // namespace tandem::learn
