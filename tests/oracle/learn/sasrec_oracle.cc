// SPDX-License-Identifier: Apache-2.0
// SASRec against HLLM's ID baseline: user vectors, the NCE loss over shared negatives, all
// gradients. The masked positions of the oracle's left-padded batch are left out; what remains are
// packed rows.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>

#include <limits>

#include "core/json.h"
#include "formats/safetensors.h"
#include "learn/sasrec/sasrec.h"
#include "oracle/report.h"

namespace tandem {
namespace {

// README.md of the oracle, "Tolerance".
constexpr double kVectorLimit = 5e-5, kLossLimit = 2e-5, kGradientLimit = 3e-5, kScoreLimit = 1e-5;

at::Tensor to_tensor(const SafetensorsFile& file, const std::string& name) {
  const TensorView& view = file.at(name);
  const at::ScalarType type = view.dtype == DType::kF32   ? at::kFloat
                              : view.dtype == DType::kF64 ? at::kDouble
                                                          : at::kLong;
  if (view.dtype == DType::kI32 || view.dtype == DType::kU8) {
    throw FormatError("{}: unexpected dtype", name);
  }
  return at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, type).clone();
}

std::span<const float> floats(const at::Tensor& contiguous) {
  return {contiguous.const_data_ptr<float>(), static_cast<size_t>(contiguous.numel())};
}

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

at::Tensor unit(const at::Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, /*keepdim=*/true);
}

void load(const SafetensorsFile& file, const SasRec& model) {
  at::NoGradGuard no_grad;
  for (const NamedParameter& parameter : model.parameters()) {
    parameter.value.detach().copy_(to_tensor(file, parameter.name));
  }
}

void check_scores(const fs::path& folder, const SasRec& model, OracleReport& report) {
  const SafetensorsFile file(folder / "shared.eval.safetensors");
  at::NoGradGuard no_grad;
  const at::Tensor sequences = to_tensor(file, "test.item_seq");
  const Rows rows = pack_masked(sequences, sequences.ne(0).to(at::kLong));
  const at::Tensor starts = rows.batch.row_starts;
  const at::Tensor last = starts.narrow(0, 1, starts.size(0) - 1) - 1;
  const at::Tensor users = unit(model.hidden(rows.batch, nullptr).index_select(0, last));
  const at::Tensor scores = at::matmul(users, to_tensor(file, "item_vectors").t()).contiguous();
  report.error("test scores",
               max_abs_difference(floats(scores), file.at("test.scores").as<float>()), kScoreLimit);
}

void check_sasrec(const fs::path& folder, OracleReport& report) {
  report.part("shared");
  const std::string where = (folder / "report.json").string();
  const Json settings = json_get<Json>(read_json(folder / "report.json"), "settings", where);
  const Json shared = json_get<Json>(
      json_get<Json>(read_json(folder / "report.json"), "cases", where), "shared", where);
  const SafetensorsFile weights(folder / "shared.model.safetensors");
  SasRec model({.num_items = weights.at("item_embedding.weight").shape[0] - 1,
                .width = weights.at("item_embedding.weight").shape[1],
                .blocks = json_get<int64_t>(settings, "layers", where),
                .heads = json_get<int64_t>(settings, "heads", where),
                .inner = json_get<int64_t>(settings, "inner", where),
                .max_length = weights.at("position_embedding.weight").shape[0],
                .dropout = 0,
                .attn_dropout = 0},
               1);
  load(weights, model);

  const SafetensorsFile batch(folder / "shared.batch.safetensors");
  const SafetensorsFile outputs(folder / "shared.outputs.safetensors");
  const at::Tensor items = to_tensor(batch, "items"), mask = to_tensor(batch, "mask");
  const int64_t length = mask.size(1);
  const Rows rows = pack_masked(items.narrow(1, 0, length), mask);
  const at::Tensor hidden = model.hidden(rows.batch, nullptr);
  const auto of_positions = [&](const at::Tensor& grid) {
    return grid.reshape({-1, grid.size(2)}).index_select(0, rows.cells).contiguous();
  };
  report.error("user vectors",
               max_abs_difference(floats(hidden.detach().contiguous()),
                                  floats(of_positions(to_tensor(outputs, "user_vectors")))),
               kVectorLimit);

  // The loss of rule "shared": every position against its target and all negatives of the batch,
  // cosines times exp(logit_scale); a negative too near the target is left out.
  const at::Tensor scale = to_tensor(weights, "logit_scale").exp();
  const at::Tensor target_ids =
      items.narrow(1, 1, length).reshape({-1}).index_select(0, rows.cells);
  const at::Tensor targets = unit(model.item_table().index_select(0, target_ids));
  const at::Tensor negatives =
      unit(model.item_table().index_select(0, to_tensor(batch, "neg_items").reshape({-1})));
  const at::Tensor users = unit(hidden);
  const double threshold = json_get<double>(shared, "threshold", where);
  const at::Tensor near = at::matmul(targets.detach(), negatives.detach().t()).gt(threshold);
  const at::Tensor wrong =
      at::matmul(users, negatives.t()).masked_fill(near, -std::numeric_limits<double>::infinity());
  const at::Tensor right = (users * targets).sum(-1, /*keepdim=*/true);
  const at::Tensor logits = at::cat({right, wrong}, 1) * scale;
  const at::Tensor loss = (at::logsumexp(logits, {1}) - logits.select(1, 0)).mean();
  report.error("loss", std::abs(loss.item<double>() - json_get<double>(shared, "loss_fp64", where)),
               kLossLimit);
  loss.backward();
  const SafetensorsFile gradients(folder / "shared.grads.safetensors");
  double worst = 0, largest_key_bias = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    const at::Tensor gradient = parameter.value.grad().contiguous();
    // Softmax does not see a shift of all keys, so the key bias's true gradient is zero: compare it
    // absolutely.
    if (parameter.name.ends_with("key.bias")) {
      largest_key_bias = std::max(largest_key_bias, gradient.abs().max().item<double>());
      continue;
    }
    worst = std::max(worst,
                     relative_to_max(floats(gradient), gradients.at(parameter.name).as<float>()));
  }
  report.error("gradients, of each tensor's largest", worst, kGradientLimit);
  report.error("gradients of key biases", largest_key_bias, kGradientLimit);
  check_scores(folder, model, report);
}

const OracleChecker checker("sasrec-tiny", "learn", check_sasrec);

}  // namespace
}  // namespace tandem
