// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/log.h"
#include "core/plural.h"
#include "core/progress.h"
#include "offline/encode_items.h"
#include "offline/vector_file.h"
#include "rank/history.h"
#include "rank/hllm_catalogue.h"

namespace tandem {
namespace {

struct EmbedOptions {
  std::string run, dataset, output, dtype = "f32", part = "1/1";
  bool items = false, users = false, json = false, overwrite = false;
  int threads = 0;
};

// "2/4" is the second of four processes.
void parse_part(const std::string& text, EncodeItemsOptions& options) {
  const auto number = [&](std::string_view digits) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
  };
  const size_t slash = text.find('/');
  const int64_t part = number(text.substr(0, slash)),
                parts = slash == std::string::npos ? 0 : number(text.substr(slash + 1));
  if (part < 1 || part > parts)
    throw UsageError("embed: --part is '{}', expected I/N with 1 <= I <= N", text);
  options.part = part - 1;
  options.parts = parts;
}

void print_summary(const EmbedOptions& options, const std::string& output, int64_t rows,
                   const char* what) {
  if (options.json)
    fmt::print("{}\n", Json{{"output", output}, {what, rows}, {"dtype", options.dtype}}.dump(2));
  else
    fmt::print("{}: vectors of {} {}\n", output, rows, what);
}

// Into the run itself.
void embed_into_run(const EmbedOptions& options, const Dataset& dataset, ThreadPool& pool) {
  EncodeItemsOptions settings{.type = parse_item_matrix_type(options.dtype)};
  parse_part(options.part, settings);
  if (!is_hllm_folder(options.run))
    throw UsageError("{}: is no run of HLLM, whose items have vectors of their texts", options.run);
  const EncodedItems done = encode_items(options.run, dataset, settings, pool);
  const fs::path folder = options.run;
  if (done.written)
    return print_summary(options, (folder / kItemMatrixFile).string(), done.items, "items");
  print_summary(options, (folder / kItemPartsFolder).string(), done.items, "items");
  spdlog::info("part {} is done; when all are, the same command without --part writes the matrix",
               options.part);
}

void embed_items(const EmbedOptions& options, const Dataset& dataset, const Output& output) {
  if (!is_hllm_folder(options.run))
    throw UsageError("{}: is no run of HLLM, whose items have vectors of their texts", options.run);
  const HllmCatalogue catalogue = open_hllm_catalogue(options.run, dataset);
  const int64_t width = catalogue.vectors.width();
  std::vector<float> vectors(static_cast<size_t>(dataset.num_items() * width));
  std::vector<std::string_view> ids;
  for (int32_t item = 1; item <= dataset.num_items(); ++item) {
    catalogue.vectors.read(item, vectors.data() + (item - 1) * width);
    ids.push_back(dataset.item_id(item));
  }
  write_vectors(output.path(), parse_item_matrix_type(options.dtype), vectors, width, ids);
  print_summary(options, options.output, std::ssize(ids), "items");
}

void embed_users(const EmbedOptions& options, const Dataset& dataset, const Output& output,
                 ThreadPool& pool) {
  constexpr int64_t kUsersAtOnce = 1024;
  const auto retriever = open_retriever(options.run, dataset).retriever;
  std::vector<float> vectors;
  std::vector<std::string_view> ids;
  Progress progress("encoding users", dataset.num_users(), "users");
  for (int64_t begin = 0; begin < dataset.num_users(); begin += kUsersAtOnce) {
    if (interrupted()) throw Stopped("embed: stopped after {} users, nothing written", begin);
    std::vector<engine::History> histories;
    for (int64_t user = begin; user < std::min(begin + kUsersAtOnce, dataset.num_users()); ++user) {
      histories.push_back(history_of(dataset, user));
      ids.push_back(dataset.user_id(user));
    }
    const std::vector<float> hidden = retriever->hidden(histories, pool);
    vectors.insert(vectors.end(), hidden.begin(), hidden.end());
    progress.update(std::ssize(ids));
  }
  progress.finish();
  write_vectors(output.path(), parse_item_matrix_type(options.dtype), vectors, retriever->width(),
                ids);
  print_summary(options, options.output, std::ssize(ids), "users");
}

void run_embed(const EmbedOptions& options) {
  const InterruptGuard guard;
  const ItemMatrixType type = parse_item_matrix_type(options.dtype);
  if (options.items == options.users) throw UsageError("embed: say --items or --users");
  if (options.users && options.output.empty()) throw UsageError("embed: --users needs --output");
  if (options.part != "1/1" && !options.output.empty())
    throw UsageError("embed: --part goes without --output, into the run's own matrix");
  const Dataset dataset = Dataset::open(options.dataset);
  ThreadPool pool(options.threads);
  if (options.output.empty()) return embed_into_run(options, dataset, pool);
  check_vector_file(options.output, type);
  const Output output(options.output, kVectorFile, options.overwrite,
                      {options.run, options.dataset});
  if (options.items) return embed_items(options, dataset, output);
  embed_users(options, dataset, output, pool);
}

}  // namespace

void add_embed_verb(CLI::App& app) {
  const auto options = std::make_shared<EmbedOptions>();
  CLI::App* verb = app.add_subcommand(
      "embed", "Vectors of items (HLLM, from their texts) or users (any retriever)");
  verb->add_option("--run", options->run, "a retriever's run folder")->required();
  verb->add_option("--dataset", options->dataset, "data set folder, from `tandem data import`")
      ->required();
  verb->add_flag("--items", options->items,
                 "of all items; without --output into the run's item matrix, going on where an "
                 "earlier pass ended");
  verb->add_flag("--users", options->users, "of all users, after their whole histories");
  verb->add_option("--output", options->output, "file to write: .npy, .safetensors or .jsonl");
  verb->add_option("--dtype", options->dtype, "f32, bf16 or int8 with a scale a row")
      ->capture_default_str();
  verb->add_option("--part", options->part,
                   "I/N: encode the share of process I of N; the same without --part ends it")
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--overwrite", options->overwrite, "replace a file of vectors that is there");
  verb->add_flag("--json", options->json, "the summary as JSON");
  verb->callback([options] { run_embed(*options); });
}

}  // namespace tandem
