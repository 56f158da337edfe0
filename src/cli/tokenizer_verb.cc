// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/dataset.h"
#include "tokenizer/files.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/trainer.h"

namespace tandem {
namespace {

struct TrainOptions {
  std::string input, output, style = "byte-level", titles;
  int32_t vocab_size = 0;
  bool overwrite = false;
};

struct TokenizeOptions {
  std::string tokenizer, text;
  bool add_special = false, parse_special = false, json = false;
};

bool is_dataset(const fs::path& path) { return fs::exists(path / "dataset.json"); }

std::vector<std::string> titles_of(const fs::path& folder) {
  const Dataset dataset = Dataset::open(folder);
  std::vector<std::string> titles;
  titles.reserve(dataset.num_items());
  for (int64_t item = 1; item <= dataset.num_items(); ++item) {
    titles.emplace_back(dataset.title(static_cast<int32_t>(item)));
  }
  return titles;
}

// A data set gives its titles; a file its lines; a folder the lines of its .txt files, in the order
// of their names.
void add_input(const fs::path& input, BpeTrainer& trainer) {
  if (is_dataset(input)) {
    for (const std::string& title : titles_of(input)) trainer.add_text(title);
    return;
  }
  std::vector<fs::path> files;
  if (fs::is_directory(input)) {
    for (const auto& entry : fs::directory_iterator(input)) {
      if (entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    if (files.empty())
      throw UsageError("{}: neither a data set nor a folder with .txt files", input.string());
  } else {
    files.push_back(input);
  }
  for (const fs::path& path : files) {
    const MappedFile file(path);
    Progress progress("read " + path.filename().string(), static_cast<int64_t>(file.size()),
                      "bytes");
    const std::string_view text = file.text();
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
      trainer.add_text(text.substr(begin, end - begin));
      begin = end;
      progress.update(static_cast<int64_t>(begin));
    }
    progress.finish();
  }
}

// A model's folder that has no tokenizer yet: it gets one, and nothing is replaced.
bool lacks_tokenizer(const fs::path& folder) {
  return fs::exists(folder / "config.json") &&
         std::ranges::none_of(tokenizer_file_names(),
                              [&](const std::string& name) { return fs::exists(folder / name); });
}

void run_train(const TrainOptions& options) {
  const fs::path folder = options.output;
  std::optional<Output> output;
  if (!lacks_tokenizer(folder))
    output.emplace(folder, kTokenizerFolder, options.overwrite,
                   std::vector<fs::path>{options.input, options.titles});
  const TokenizerStyle style =
      options.style == "llama2" ? TokenizerStyle::kByteFallback : TokenizerStyle::kByteLevel;
  BpeTrainer trainer(style);
  add_input(options.input, trainer);
  std::vector<std::string> titles;
  if (!options.titles.empty()) titles = titles_of(options.titles);
  const std::string trained = trainer.train(options.vocab_size, titles);
  if (output) {
    StagedFolder staged(*output);
    write_tokenizer_files(staged.path(), trained, style);
    staged.commit();
  } else {
    write_tokenizer_files(folder, trained, style);
  }
  const auto tokenizer = load_tokenizer(options.output);
  fmt::print("{}: {} tokens\n", (fs::path(options.output) / "tokenizer.json").string(),
             tokenizer->vocab_size());
}

void run_tokenize(const TokenizeOptions& options) {
  std::string text = options.text;
  if (text == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto tokenizer = load_tokenizer(options.tokenizer);
  const Encoding encoding = tokenizer->encode_with_offsets(
      text, {.add_special = options.add_special, .parse_special = options.parse_special});
  if (!options.json) {
    fmt::print("{:>8}  {:>11}  {}\n", "id", "characters", "piece");
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      const std::string span =
          fmt::format("{}..{}", encoding.offsets[i].begin, encoding.offsets[i].end);
      // Quoted as in JSON, so that white space and control characters show.
      fmt::print("{:>8}  {:>11}  {}\n", encoding.ids[i], span, Json(encoding.pieces[i]).dump());
    }
    fmt::print("{} tokens\n", encoding.ids.size());
    return;
  }
  Json offsets = Json::array();
  for (const TokenSpan& span : encoding.offsets) offsets.push_back({span.begin, span.end});
  const Json result{{"ids", encoding.ids},
                    {"pieces", encoding.pieces},
                    {"offsets", offsets},
                    {"decoded", tokenizer->decode(encoding.ids)}};
  fmt::print("{}\n", result.dump());
}

}  // namespace

void add_tokenizer_verb(CLI::App& app) {
  CLI::App* tokenizer = app.add_subcommand("tokenizer", "Train a tokenizer");
  tokenizer->require_subcommand(1);
  CLI::App* train =
      tokenizer->add_subcommand("train", "Byte-pair encoding from text, as tokenizer.json");
  const auto train_options = std::make_shared<TrainOptions>();
  train
      ->add_option("--input", train_options->input,
                   "data set (its titles), text file, or folder of .txt files")
      ->required()
      ->check(CLI::ExistingPath);
  train
      ->add_option("--vocab-size", train_options->vocab_size,
                   "pieces and special tokens, titles apart")
      ->required()
      ->check(CLI::PositiveNumber);
  train
      ->add_option("--output", train_options->output,
                   "new folder for tokenizer.json, or a model's that has none")
      ->required();
  train
      ->add_option("--style", train_options->style,
                   "byte-level as Llama 3, or llama2 with byte fallback")
      ->check(CLI::IsMember({"byte-level", "llama2"}))
      ->capture_default_str();
  train
      ->add_option("--titles-as-tokens", train_options->titles,
                   "data set whose titles become one token each")
      ->check(CLI::ExistingDirectory);
  train->add_flag("--overwrite,--force", train_options->overwrite,
                  "replace a tokenizer that is there");
  train->callback([train_options] { run_train(*train_options); });

  CLI::App* tokenize = app.add_subcommand("tokenize", "Ids, pieces and offsets of a text");
  const auto options = std::make_shared<TokenizeOptions>();
  tokenize
      ->add_option("--tokenizer", options->tokenizer,
                   "tokenizer file, GGUF file or Hugging Face folder")
      ->required()
      ->check(CLI::ExistingPath);
  tokenize->add_option("text", options->text, "the text, or - for standard input")->required();
  tokenize->add_flag("--special", options->add_special,
                     "add BOS, EOS as the tokenizer's template says");
  tokenize->add_flag("--parse-special", options->parse_special,
                     "special tokens spelt in the text are tokens");
  tokenize->add_flag("--json", options->json, "print JSON");
  tokenize->callback([options] { run_tokenize(*options); });
}

}  // namespace tandem
