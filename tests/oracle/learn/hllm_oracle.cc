// SPDX-License-Identifier: Apache-2.0
// HLLM against the authors' code: vectors of items and users, logits, NCE loss, all gradients (in
// one pass, and by chunks with recomputed gradients), training steps, evaluation. The masked
// positions of the oracle's left-padded rows are left out; what remains are packed rows.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "learn/hllm/hllm.h"
#include "learn/hllm/item_encoding.h"
#include "learn/hllm/step.h"
#include "learn/ops/nce_loss.h"
#include "learn/optim/adamw.h"
#include "models/hllm_files.h"
#include "oracle/learn/contrast_checks.h"
#include "oracle/learn/tensors.h"
#include "oracle/report.h"

namespace tandem::learn {
namespace {

// README.md of the oracle, "Tolerance".
constexpr double kVectorLimit = 5e-5, kLogitLimit = 2e-4, kLossLimit = 2e-5, kGradientLimit = 3e-5;
constexpr double kStepLossLimit = 5e-5;
constexpr double kFinalLimit = 5e-6;  // ten times the float32 run's own noise after the steps
constexpr double kCountLimit = 1e-5;  // means of counts, stored as float32
constexpr int64_t kWhole = int64_t{1} << 40, kChunk = 200;  // tokens

Llama read_tower(const fs::path& folder, bool words) {
  const auto source = open_llama(folder, {.embedding = words, .head = false});
  return {*source_weights(source), {.train_base = true}};
}

struct Case {
  fs::path folder;
  Json report;
  std::string where;

  Json at(const Json& object, const char* key) const { return json_get<Json>(object, key, where); }
  double number(const Json& object, const char* key) const {
    return json_get<double>(object, key, where);
  }
  SafetensorsFile file(const std::string& name) const {
    return SafetensorsFile(folder / (name + ".safetensors"));
  }
  Hllm model(HllmPooling pooling = HllmPooling::kToken) const {
    const SafetensorsFile extras = file("extra_parameters");
    Llama item = read_tower(folder / "item_llm", true),
          user = read_tower(folder / "user_llm", false);
    const int64_t width = user.config().hidden_size;
    return {
        {.num_items = file("items").at("lens").shape[0] - 1, .width = width, .pooling = pooling},
        std::move(item),
        std::move(user),
        {.item_token = to_tensor(extras, "item_emb_tokens"),
         .logit_scale = to_tensor(extras, "logit_scale")}};
  }
};

at::Tensor starts_of(const at::Tensor& lengths) {
  at::Tensor starts = at::full({lengths.size(0) + 1}, 0, at::kLong);
  starts.narrow(0, 1, lengths.size(0)).copy_(lengths.cumsum(0));
  return starts;
}

PackedTokens packed_texts(const SafetensorsFile& file, const std::string& ids,
                          const std::string& lengths) {
  return {to_tensor(file, ids), starts_of(to_tensor(file, lengths))};
}

ItemTokens item_tokens(const SafetensorsFile& items) {
  const at::Tensor ids = to_tensor(items, "input_ids"), lengths = to_tensor(items, "lens");
  ItemTokens tokens;
  const int64_t* id = ids.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < lengths.size(0); ++i) {
    const auto length = lengths[i].item<int64_t>();
    tokens.emplace_back(id, id + length);
    id += length;
  }
  return tokens;
}

// A step's rows and the items that they look into.
struct Rows {
  std::vector<std::vector<int32_t>> items;
  std::vector<std::vector<int64_t>> times;
  std::vector<ContrastiveRow> rows;
};

// The real items of each left-padded row [B, S + 1], and its negatives.
Rows rows_of(const SafetensorsFile& file, const std::string& prefix) {
  const at::Tensor items = to_tensor(file, prefix + "pos_item_ids"),
                   mask = to_tensor(file, prefix + "attention_mask"),
                   negatives = to_tensor(file, prefix + "neg_item_ids");
  const auto numbers = [](const at::Tensor& row) {
    const at::Tensor narrow = row.to(at::kInt).contiguous();
    const int32_t* data = narrow.const_data_ptr<int32_t>();
    return std::vector<int32_t>(data, data + narrow.numel());
  };
  Rows result;
  for (int64_t row = 0; row < items.size(0); ++row) {
    const auto real = mask[row].sum().item<int64_t>() + 1;
    result.items.push_back(numbers(items[row].narrow(0, items.size(1) - real, real)));
    result.rows.emplace_back().negatives = numbers(negatives[row]);
  }
  for (size_t row = 0; row < result.rows.size(); ++row) {
    result.times.emplace_back(result.items[row].size(), 0);
    result.rows[row].shown = {.items = result.items[row], .times = result.times[row]};
  }
  return result;
}

void clamp_scale(const Hllm& model) {
  at::NoGradGuard no_grad;
  model.logit_scale().detach().clamp_(0, std::log(100.0));
}

struct Grid {
  at::Tensor cells, starts;  // [P] in the [B, S] grid; [B' + 1]
};

Grid grid_of(const at::Tensor& mask) {
  const at::Tensor counts = mask.sum(1);
  return {mask.reshape({-1}).nonzero().squeeze(1), starts_of(counts.masked_select(counts.gt(0)))};
}

at::Tensor at_cells(const at::Tensor& grid, const at::Tensor& cells) {
  return grid.reshape({-1, grid.size(-1)}).index_select(0, cells);
}

// Vectors as leaves, one for each place of the batch, and each case's loss on them.
void check_loss(const Case& c, const std::string& name, OracleReport& report) {
  const Hllm model = c.model();
  const SafetensorsFile batch = c.file("batch_" + name), outputs = c.file("outputs_" + name);
  const Json cases = c.at(c.report, ("batch_" + name).c_str());
  const at::Tensor mask = to_tensor(batch, "attention_mask");
  const Grid grid = grid_of(mask);
  const int64_t rows = mask.size(0), length = mask.size(1);
  at::Tensor positives = model.encode(packed_texts(batch, "pos_input_ids", "pos_cu_input_lens"));
  at::Tensor negatives = model.encode(packed_texts(batch, "neg_input_ids", "neg_cu_input_lens"));
  report.error(
      "vectors of positives",
      difference(positives,
                 to_tensor(outputs, "pos_item_vectors_fp64").reshape({rows * (length + 1), -1})),
      kVectorLimit);
  report.error("vectors of negatives",
               difference(negatives, to_tensor(outputs, "neg_item_vectors_fp64")), kVectorLimit);
  positives = positives.detach().set_requires_grad(true);
  negatives = negatives.detach().set_requires_grad(true);
  const at::Tensor table = positives.view({rows, length + 1, -1});
  const at::Tensor inputs = at_cells(table.narrow(1, 0, length), grid.cells),
                   targets = at_cells(table.narrow(1, 1, length), grid.cells);
  const at::Tensor users = model.user_states(inputs, grid.starts);
  users.retain_grad();
  report.error("user vectors",
               difference(users, at_cells(to_tensor(outputs, "user_vectors_fp64"), grid.cells)),
               kVectorLimit);
  for (const auto& [key, one] : cases.items()) {
    if (!outputs.contains(key + ".logits_fp64")) continue;
    report.part(name + "/" + key);
    {
      at::NoGradGuard no_grad;
      model.logit_scale().detach().fill_(c.number(one, "logit_scale_before"));
    }
    clamp_scale(model);
    const NceInput input{.users = users,
                         .targets = targets,
                         .negatives = negatives,
                         .log_scale = model.logit_scale(),
                         .threshold = c.number(one, "threshold")};
    const at::Tensor logits = nce_logits(input).detach(),
                     wanted = to_tensor(outputs, key + ".logits_fp64");
    const at::Tensor kept = to_tensor(outputs, key + ".filter_reason").eq(0);
    report.equal("negatives left out", logits.narrow(1, 1, kept.size(1)).isfinite().equal(kept),
                 fmt::format("{} of {}", kept.numel() - kept.sum().item<int64_t>(), kept.numel()));
    const at::Tensor finite = logits.isfinite();
    report.error("logits", difference(logits.masked_select(finite), wanted.masked_select(finite)),
                 kLogitLimit);
    const NceLoss loss = nce_loss(input);
    report.error("loss", std::abs(loss.loss.item<double>() - c.number(one, "loss_fp64")),
                 kLossLimit);
    report.error("logged counts",
                 logged_difference(loss.survivors, loss.ranks, logits.size(1), one, c.where),
                 kCountLimit);
    for (const at::Tensor& leaf : {users, positives, negatives, model.logit_scale()})
      leaf.mutable_grad() = at::Tensor();
    loss.loss.backward({}, /*retain_graph=*/true);
    if (one.contains("d_logit_scale"))
      report.error(
          "gradient of logit_scale",
          std::abs(model.logit_scale().grad().item<double>() - c.number(one, "d_logit_scale")),
          kGradientLimit * std::max(1.0, std::abs(c.number(one, "d_logit_scale"))));
    if (key != "base") continue;
    report.error("gradient of positives",
                 difference(positives.grad(), to_tensor(outputs, "d_pos_item_vectors"), true),
                 kGradientLimit);
    report.error("gradient of negatives",
                 difference(negatives.grad(), to_tensor(outputs, "d_neg_item_vectors"), true),
                 kGradientLimit);
    report.error(
        "gradient of user vectors",
        difference(users.grad(), at_cells(to_tensor(outputs, "d_user_vectors"), grid.cells), true),
        kGradientLimit);
  }
}

// One step's gradients, items once each; the mean loss.
struct Step {
  double loss = 0, survivors = 0, first = 0;
};
Step step(const Hllm& model, const ItemTokens& tokens, std::span<const ContrastiveRow> rows,
          double threshold, int64_t chunk) {
  clamp_scale(model);
  const HllmItems items(rows);
  ItemEncoding encoding(model, tokens, items.items, chunk, alone());
  const auto positions = static_cast<double>(items.positions(rows, false).targets.numel());
  const ContrastFigures found =
      add_position_gradients(model, items, encoding.vectors(), rows, {.threshold = threshold},
                             {.position = 1 / positions});
  encoding.backward();
  return {found.loss / positions, found.survivors / positions, found.first / positions};
}

void zero_gradients(const Hllm& model) {
  for (const NamedParameter& parameter : model.parameters())
    parameter.value.mutable_grad() = at::Tensor();
}

void check_gradients(const Case& c, OracleReport& report) {
  const SafetensorsFile wanted = c.file("grads_default");
  const Hllm model = c.model();
  const ItemTokens tokens = item_tokens(c.file("items"));
  const Rows rows = rows_of(c.file("batch_default"), "");
  const double threshold = c.number(c.at(c.at(c.report, "batch_default"), "base"), "threshold");
  for (const int64_t chunk : {kWhole, kChunk}) {
    report.part(chunk == kWhole ? "gradients in one pass" : "gradients by chunks");
    zero_gradients(model);
    const Step found = step(model, tokens, rows.rows, threshold, chunk);
    report.error(
        "loss",
        std::abs(found.loss - c.number(c.at(c.at(c.report, "batch_default"), "base"), "loss_fp64")),
        kLossLimit);
    double worst = 0;
    for (const NamedParameter& parameter : model.parameters()) {
      const double error =
          difference(parameter.value.grad(), to_tensor(wanted, parameter.name), true);
      worst = worse(worst, error);
    }
    report.equal("gradients found", model.parameters().size() == wanted.tensors().size(),
                 fmt::format("{} tensors", wanted.tensors().size()));
    report.error("gradients, of each tensor's largest", worst, kGradientLimit);
  }
}

void check_nce(const Case& c, OracleReport& report) {
  const SafetensorsFile file = c.file("nce");
  const Json cases = c.at(c.report, "nce");
  for (const auto& [name, one] : cases.items()) {
    report.part("nce/" + name);
    const Grid grid = grid_of(to_tensor(file, name + ".mask"));
    const auto leaf = [&](const char* what) {
      return to_tensor(file, name + what).set_requires_grad(true);
    };
    const at::Tensor users = leaf(".user"), targets = leaf(".pos"), negatives = leaf(".neg");
    const at::Tensor scale = to_tensor(file, name + ".logit_scale_before");
    scale.clamp_(0, std::log(100.0));
    report.error("clamped scale", difference(scale, to_tensor(file, name + ".logit_scale_after")),
                 1e-6);
    scale.set_requires_grad(true);
    const NceLoss found = nce_loss({.users = at_cells(users, grid.cells),
                                    .targets = at_cells(targets, grid.cells),
                                    .negatives = negatives.reshape({-1, negatives.size(2)}),
                                    .log_scale = scale,
                                    .threshold = c.number(one, "threshold")});
    report.error("loss", std::abs(found.loss.item<double>() - c.number(one, "loss")), kLossLimit);
    report.error("survivors", std::abs(found.survivors / c.number(one, "nce_samples") - 1),
                 kCountLimit);
    found.loss.backward();
    double worst = 0;
    for (const auto& [what, value] : {std::pair{".d_user", users},
                                      {".d_pos", targets},
                                      {".d_neg", negatives},
                                      {".d_logit_scale", scale}})
      worst = worse(worst, difference(value.grad(), to_tensor(file, name + what), true));
    report.error("gradients, of each tensor's largest", worst, kGradientLimit);
  }
}

void check_steps(const Case& c, OracleReport& report) {
  report.part("training");
  const Json train = c.at(c.report, "train"), settings = c.at(c.report, "settings");
  const Json steps = c.at(train, "steps");
  const SafetensorsFile batches = c.file("train_batches"), wanted = c.file("train_final");
  const ItemTokens tokens = item_tokens(c.file("items"));
  const Hllm model = c.model();
  AdamW optimizer(model.parameters(), {.eps = 1e-8, .weight_decay = c.number(settings, "wd")},
                  [](std::string_view) { return true; });
  double worst = 0, worst_survivors = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    optimizer.zero_gradients();
    const Step found = step(model, tokens, rows_of(batches, fmt::format("step{:02}.", i)).rows,
                            c.number(settings, "thres"), kWhole);
    optimizer.step(c.number(steps[i], "lr"));
    worst = worse(worst, std::abs(found.loss - c.number(steps[i], "loss")));
    worst_survivors =
        worse(worst_survivors, std::abs(found.survivors / c.number(steps[i], "nce_samples") - 1));
    worst_survivors =
        worse(worst_survivors, std::abs(found.first - c.number(steps[i], "nce_top1_acc")));
  }
  report.error(fmt::format("losses of {} steps", steps.size()), worst, kStepLossLimit);
  report.error("logged counts of the steps", worst_survivors, kCountLimit);
  double final = 0;
  for (const NamedParameter& parameter : model.parameters())
    final = worse(final, difference(parameter.value, to_tensor(wanted, parameter.name)));
  report.error("final parameters", final, kFinalLimit);
}

// Scores of all items, the list of the best and the metrics, for the parameters before training.
void check_evaluation(const Case& c, OracleReport& report) {
  at::NoGradGuard no_grad;
  const SafetensorsFile file = c.file("eval"), texts = c.file("items");
  ItemTokens tokens = item_tokens(texts);
  report.part("items");
  const Hllm model = c.model();
  const at::Tensor vectors = encode_all_items(model, tokens, kWhole, alone());
  report.error("vectors of all", difference(vectors, to_tensor(file, "item_vectors")),
               kVectorLimit);
  report.error("one by one", difference(encode_all_items(model, tokens, 1, alone()), vectors),
               1e-5);
  for (auto& text : tokens) text.pop_back();  // no placeholder
  report.error("vectors by mean pooling",
               difference(encode_all_items(c.model(HllmPooling::kMean), tokens, kWhole, alone()),
                          to_tensor(file, "item_vectors_mean_pooling")),
               kVectorLimit);
  report.part("evaluation");
  for (const std::string split : {"valid", "test"}) {
    const at::Tensor sequences = to_tensor(file, split + ".item_seq");
    const Grid grid = grid_of(sequences.ne(0).to(at::kLong));
    const at::Tensor inputs =
        vectors.index_select(0, sequences.reshape({-1}).index_select(0, grid.cells));
    const at::Tensor users = unit_rows(
        model.user_states(inputs, grid.starts).index_select(0, grid.starts.slice(0, 1) - 1));
    const at::Tensor scores = users.matmul(unit_rows(vectors).t());
    check_ranking(scores, file, split, c.at(c.at(c.at(c.report, "eval"), split.c_str()), "authors"),
                  report);
  }
}

void check_hllm(const fs::path& folder, OracleReport& report) {
  const fs::path path = folder / "report.json";
  const Case c{.folder = folder, .report = read_json(path), .where = path.string()};
  check_nce(c, report);
  for (const char* batch : {"default", "fixed"}) {
    report.part(batch);
    check_loss(c, batch, report);
  }
  check_gradients(c, report);
  check_steps(c, report);
  check_evaluation(c, report);
}

const OracleChecker checker("hllm-tiny", "learn", check_hllm);

}  // namespace
}  // namespace tandem::learn
