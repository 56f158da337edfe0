// SPDX-License-Identifier: Apache-2.0
// HLLM's ID baselines (SASRec, HSTU, LLMIDRec) for negatives shared by the batch ("shared") and drawn for
// each position ("own"): user vectors, logits, NCE loss, all gradients, training steps, evaluation.
// The masked positions of the oracle's left-padded batches are left out; what remains are packed
// rows.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "learn/hstu/hstu.h"
#include "learn/llmid/llmid.h"
#include "learn/ops/nce_loss.h"
#include "learn/optim/adamw.h"
#include "learn/sasrec/sasrec.h"
#include "models/llmid.h"
#include "oracle/learn/contrast_checks.h"
#include "oracle/learn/tensors.h"
#include "oracle/report.h"

namespace tandem::learn {
namespace {

// README.md of the oracle, "Tolerance".
constexpr double kVectorLimit = 5e-5, kLogitLimit = 2e-4, kLossLimit = 2e-5, kGradientLimit = 3e-5;
constexpr double kStepLossLimit = 5e-5;
constexpr double kCountLimit = 1e-5;  // means of counts, stored as float32

struct Rows {
  PackedBatch batch;
  at::Tensor cells;  // [P] where in the [B, L] grid each packed position came from
};

// Keeps the positions of each row that the mask has; mask [B, L] int64.
Rows pack_masked(const at::Tensor& inputs, const at::Tensor& mask) {
  Rows rows;
  rows.cells = mask.reshape({-1}).nonzero().squeeze(1);
  std::vector<int64_t> starts{0};
  const at::Tensor counts = mask.sum(1);
  for (int64_t row = 0; row < counts.size(0); ++row) {
    const auto count = counts[row].item<int64_t>();
    if (count > 0) starts.push_back(starts.back() + count);
  }
  rows.batch.items = inputs.reshape({-1}).index_select(0, rows.cells);
  rows.batch.labels = rows.batch.items.clone().zero_();
  rows.batch.row_starts = at::tensor(starts, at::kLong);
  return rows;
}

// A model of the oracle's, by the shapes of its weights and the settings.
using MakeModel = std::unique_ptr<Retriever> (*)(const SafetensorsFile& weights,
                                                 const Json& settings, const std::string& where);

std::unique_ptr<Retriever> make_sasrec(const SafetensorsFile& weights, const Json& settings,
                                       const std::string& where) {
  return std::make_unique<SasRec>(
      TransformerConfig{.num_items = weights.at("item_embedding.weight").shape[0] - 1,
                        .width = weights.at("item_embedding.weight").shape[1],
                        .blocks = json_get<int64_t>(settings, "layers", where),
                        .heads = json_get<int64_t>(settings, "heads", where),
                        .inner = json_get<int64_t>(settings, "inner", where),
                        .max_length = weights.at("position_embedding.weight").shape[0],
                        .dropout = 0,
                        .attn_dropout = 0},
      1);
}

std::unique_ptr<Retriever> make_hstu(const SafetensorsFile& weights, const Json& settings,
                                     const std::string& where) {
  const std::vector<int64_t>& items = weights.at("item_embedding.weight").shape;
  const std::vector<int64_t>& places = weights.at("position_embedding.weight").shape;
  return std::make_unique<Hstu>(
      HstuConfig{.num_items = items[0] - 1,
                 .width = places[1],
                 .item_width = weights.contains("item_id_proj_tower.weight") ? items[1] : 0,
                 .blocks = json_get<int64_t>(settings, "layers", where),
                 .heads = json_get<int64_t>(settings, "heads", where),
                 .max_length = places[0] - 1,
                 .dropout = 0},
      1);
}

constexpr const char* kTrunkFolder = "user_llm";

std::unique_ptr<Retriever> make_llmid(const SafetensorsFile& weights, const Json&,
                                      const std::string& where) {
  const fs::path file = fs::path(where).parent_path() / kTrunkFolder / "config.json";
  const LlamaConfig trunk = LlamaConfig::from_json(read_json(file), file.string());
  const std::vector<int64_t>& items = weights.at("item_embedding.weight").shape;
  const RetrieverModelConfig config{
      .model_type = "llmid",
      .num_items = items[0] - 1,
      .width = trunk.hidden_size,
      .blocks = trunk.num_layers,
      .heads = trunk.num_heads,
      .kv_heads = trunk.num_kv_heads,
      .ffn_width = trunk.intermediate_size,
      .item_width = weights.contains("item_id_proj_tower.weight") ? items[1] : 0};
  const LlamaConfig ours = llmid_trunk(config);
  if (ours.rope_theta != trunk.rope_theta || ours.rms_norm_eps != trunk.rms_norm_eps)
    throw FormatError("{}: expected TinyLlama's rope_theta and rms_norm_eps", file.string());
  return std::make_unique<LlmId>(config, 1);
}

// A stored parameter; LLMIDRec's trunk is a folder of its own.
at::Tensor stored_parameter(const fs::path& folder, const SafetensorsFile& weights,
                            const std::string& name) {
  const std::string_view trunk = kLlmIdTrunk;
  if (weights.contains(name) || !name.starts_with(trunk)) return to_tensor(weights, name);
  return to_tensor(SafetensorsFile(folder / kTrunkFolder / "model.safetensors"),
                   name.substr(trunk.size()));
}

// The model and what its loss needs.
struct Case {
  std::string name, where;
  Json report;  // of report.json
  std::unique_ptr<Retriever> model;
  at::Tensor logit_scale;  // a parameter unless the temperature is fixed
  bool fixed = false;
  double threshold = 0, final_limit = 0;

  std::vector<NamedParameter> parameters() const {
    std::vector<NamedParameter> all = model->parameters();
    if (!fixed) all.push_back({"logit_scale", logit_scale});
    return all;
  }
};

Case open_case(const fs::path& folder, const std::string& name, MakeModel make,
               double final_limit) {
  const std::string where = (folder / "report.json").string();
  const Json all = read_json(folder / "report.json");
  const Json settings = json_get<Json>(all, "settings", where);
  const Json report = json_get<Json>(json_get<Json>(all, "cases", where), name.c_str(), where);
  const SafetensorsFile weights(folder / (name + ".model.safetensors"));
  Case result{
      .name = name,
      .where = where,
      .report = report,
      .model = make(weights, settings, where),
      .logit_scale = to_tensor(weights, "logit_scale"),
      .fixed = json_get_or<bool>(json_get<Json>(report, "config", where), "fix_temp", false, where),
      .threshold = json_get<double>(report, "threshold", where),
      .final_limit = final_limit};
  result.logit_scale.set_requires_grad(!result.fixed);
  at::NoGradGuard no_grad;
  for (const NamedParameter& parameter : result.model->parameters())
    parameter.value.detach().copy_(stored_parameter(folder, weights, parameter.name));
  return result;
}

struct Batch {
  at::Tensor items, mask;  // [B, L + 1], [B, L]
  at::Tensor negatives;    // ids: [M], or [B * L, M] for each position
};

Batch read_batch(const SafetensorsFile& file, const std::string& prefix) {
  Batch batch{to_tensor(file, prefix + "items"), to_tensor(file, prefix + "mask"), {}};
  if (file.contains(prefix + "drawn_negatives")) {
    const at::Tensor drawn = to_tensor(file, prefix + "drawn_negatives");
    batch.negatives = drawn.reshape({-1, drawn.size(2)});
  } else {
    batch.negatives = to_tensor(file, prefix + "neg_items").reshape({-1});
  }
  return batch;
}

struct Forward {
  Rows rows;
  at::Tensor hidden, logits;  // [P, D], [P, 1 + M] with -inf where left out
  NceLoss loss;

  double logged_difference(const Json& logged, const std::string& where) const {
    return learn::logged_difference(loss.survivors, loss.ranks, logits.size(1), logged, where);
  }
};

// The authors' filter knows no ids. The scale is clamped in the parameter, outside the graph.
Forward forward(const Case& c, const Batch& batch) {
  {
    at::NoGradGuard no_grad;
    if (!c.fixed) c.logit_scale.detach().clamp_(0, std::log(100.0));
  }
  Forward result;
  const int64_t length = batch.mask.size(1);
  result.rows = pack_masked(batch.items.narrow(1, 0, length), batch.mask);
  result.hidden = c.model->hidden(result.rows.batch, nullptr);
  const auto vectors = [&](const at::Tensor& ids) {
    const at::Tensor rows = c.model->item_vectors(ids.reshape({-1}));
    return ids.dim() == 1 ? rows : rows.view({ids.size(0), ids.size(1), -1});
  };
  const at::Tensor targets =
      batch.items.narrow(1, 1, length).reshape({-1}).index_select(0, result.rows.cells);
  const at::Tensor negatives = batch.negatives.dim() == 1
                                   ? batch.negatives
                                   : batch.negatives.index_select(0, result.rows.cells);
  const NceInput input{.users = result.hidden,
                       .targets = vectors(targets),
                       .negatives = vectors(negatives),
                       .log_scale = c.logit_scale,
                       .threshold = c.threshold};
  {
    at::NoGradGuard no_grad;
    result.logits = nce_logits(input);
  }
  result.loss = nce_loss(input);
  return result;
}

// The worst gradient of a tensor's largest entry. Softmax does not see a shift of all keys, so the
// key biases' true gradient is zero: those are compared absolutely.
void check_gradients(const Case& c, const SafetensorsFile& file, OracleReport& report) {
  double worst = 0, largest_key_bias = 0;
  bool has_key_bias = false;
  for (const NamedParameter& parameter : c.parameters()) {
    const at::Tensor& gradient = parameter.value.grad();
    const bool key_bias = parameter.name.ends_with("key.bias");
    const double error = key_bias ? gradient.abs().max().item<double>()
                                  : difference(gradient, to_tensor(file, parameter.name), true);
    has_key_bias |= key_bias;
    double& place = key_bias ? largest_key_bias : worst;
    place = worse(place, error);
  }
  report.equal("gradients found", c.parameters().size() == file.tensors().size(),
               fmt::format("{} tensors", file.tensors().size()));
  report.error("gradients, of each tensor's largest", worst, kGradientLimit);
  if (has_key_bias) report.error("gradients of key biases", largest_key_bias, kGradientLimit);
}

void check_batch(const fs::path& folder, const Case& c, OracleReport& report) {
  const SafetensorsFile outputs(folder / (c.name + ".outputs.safetensors"));
  const Forward found =
      forward(c, read_batch(SafetensorsFile(folder / (c.name + ".batch.safetensors")), ""));
  const auto of_positions = [&](const char* name) {
    const at::Tensor grid = to_tensor(outputs, name);
    return grid.reshape({-1, grid.size(2)}).index_select(0, found.rows.cells);
  };
  report.error("user vectors", difference(found.hidden, of_positions("user_vectors_fp64")),
               kVectorLimit);
  const at::Tensor wanted = to_tensor(outputs, "logits_fp64");
  const at::Tensor kept = wanted.isfinite();
  const auto dropped = wanted.numel() - kept.sum().item<int64_t>();
  report.equal("negatives left out",
               found.logits.isfinite().equal(kept) &&
                   dropped == json_get<int64_t>(c.report, "dropped", c.where),
               fmt::format("{} of {}", dropped, wanted.numel()));
  report.error("logits",
               difference(found.logits.detach().masked_select(kept), wanted.masked_select(kept)),
               kLogitLimit);
  report.error(
      "loss",
      std::abs(found.loss.loss.item<double>() - json_get<double>(c.report, "loss_fp64", c.where)),
      kLossLimit);
  report.error("logged counts", found.logged_difference(c.report, c.where), kCountLimit);
  found.hidden.retain_grad();
  found.loss.loss.backward();
  report.error("gradient of user vectors",
               difference(found.hidden.grad(), of_positions("d_user_vectors"), true),
               kGradientLimit);
  check_gradients(c, SafetensorsFile(folder / (c.name + ".grads.safetensors")), report);
}

// Scores of all items, the list of the best and the metrics, for the parameters before training.
void check_evaluation(const fs::path& folder, const Case& c, OracleReport& report) {
  const SafetensorsFile file(folder / (c.name + ".eval.safetensors"));
  at::NoGradGuard no_grad;
  const at::Tensor items = unit_rows(c.model->item_table());
  report.error("item vectors", difference(items, to_tensor(file, "item_vectors")), kVectorLimit);
  for (const std::string split : {"valid", "test"}) {
    const at::Tensor sequences = to_tensor(file, split + ".item_seq");
    const Rows rows = pack_masked(sequences, sequences.ne(0).to(at::kLong));
    const at::Tensor last = rows.batch.row_starts.slice(0, 1) - 1;
    const at::Tensor users = unit_rows(c.model->hidden(rows.batch, nullptr).index_select(0, last));
    const at::Tensor scores = at::matmul(users, items.t());
    const Json eval =
        json_get<Json>(json_get<Json>(c.report, "eval", c.where), split.c_str(), c.where);
    check_ranking(scores, file, split, json_get<Json>(eval, "authors", c.where), report);
  }
}

// AdamW as the authors set it: everything decays, biases and norms too.
void check_steps(const fs::path& folder, const Case& c, OracleReport& report) {
  const Json train = json_get<Json>(c.report, "train", c.where);
  const Json optim =
      json_get<Json>(json_get<Json>(c.report, "config", c.where), "optim_args", c.where);
  const auto losses = json_get<std::vector<double>>(train, "loss_fp64", c.where);
  const SafetensorsFile batches(folder / (c.name + ".train_batches.safetensors"));
  AdamW optimizer(c.parameters(),
                  {.beta1 = 0.9,
                   .beta2 = 0.999,
                   .eps = 1e-8,
                   .weight_decay = json_get<double>(optim, "weight_decay", c.where)},
                  [](std::string_view) { return true; });
  double worst = 0, worst_logged = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    const Json& step = train.at("steps").at(i);
    optimizer.zero_gradients();
    const Forward found = forward(c, read_batch(batches, fmt::format("step{:02}.", i)));
    found.loss.loss.backward();
    optimizer.step(json_get<double>(step, "lr", c.where));
    const double error = std::abs(found.loss.loss.item<double>() - losses[i]);
    worst = worse(worst, error);
    worst_logged = worse(worst_logged, found.logged_difference(step, c.where));
  }
  report.error(fmt::format("losses of {} steps", losses.size()), worst, kStepLossLimit);
  report.error("logged counts of the steps", worst_logged, kCountLimit);

  const fs::path path = folder / (c.name + ".train_final.safetensors");
  if (!fs::exists(path)) return report.skip("final parameters", "not stored for this case");
  const SafetensorsFile final_file(path);
  double worst_final = 0;
  for (const NamedParameter& parameter : c.parameters()) {
    if (parameter.name.ends_with("key.bias")) continue;  // AdamW amplifies its rounding
    const double error = difference(parameter.value, to_tensor(final_file, parameter.name));
    worst_final = worse(worst_final, error);
  }
  report.error("final parameters, key biases apart", worst_final, c.final_limit);
}

void check(const fs::path& folder, MakeModel make, double final_limit, OracleReport& report) {
  for (const std::string name : {"shared", "own"}) {
    if (!fs::exists(folder / (name + ".model.safetensors"))) continue;
    report.part(name);
    const Case c = open_case(folder, name, make, final_limit);
    check_batch(folder, c, report);
    check_evaluation(folder, c, report);
    check_steps(folder, c, report);
  }
}

void check_sasrec(const fs::path& folder, OracleReport& report) {
  check(folder, make_sasrec, 5e-5, report);
}

void check_hstu(const fs::path& folder, OracleReport& report) {
  check(folder, make_hstu, 5e-4, report);
}

void check_llmid(const fs::path& folder, OracleReport& report) {
  check(folder, make_llmid, 2e-5, report);
}

const OracleChecker sasrec("sasrec-tiny", "learn", check_sasrec);
const OracleChecker hstu("hstu-tiny", "learn", check_hstu);
const OracleChecker llmid("llmid-tiny", "learn", check_llmid);

}  // namespace
}  // namespace tandem::learn
