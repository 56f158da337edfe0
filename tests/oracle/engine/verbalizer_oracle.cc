// SPDX-License-Identifier: Apache-2.0
// LlamaRec's prompts, title cut, ids, letters, scores, loss and metrics against its authors' code.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "data/text_source.h"
#include "eval/metrics.h"
#include "formats/safetensors.h"
#include "oracle/report.h"
#include "rank/ranker.h"
#include "support/temporary_folder.h"
#include "tokenizer/loaders.h"

namespace tandem::engine {
namespace {

constexpr double kScoreLimit = 1e-5, kLossLimit = 2e-6, kMetricLimit = 1e-6;

using Texts = std::vector<std::string>;
using Ids = std::vector<int32_t>;

// The vocabularies are not in the oracle's folder: they lie where the shared models are.
fs::path models_of(const fs::path& folder) {
  const fs::path beside = fs::absolute(folder).lexically_normal().parent_path().parent_path();
  for (const fs::path& path :
       {beside / "models", beside.parent_path() / "models", fs::path("../shared/models")}) {
    if (fs::exists(path / "gguf-vocabs")) return path;
  }
  throw IoError("no folder 'models' beside {}", beside.string());
}

std::shared_ptr<const Tokenizer> load_llama2(const fs::path& models) {
  std::shared_ptr<Tokenizer> tokenizer =
      load_tokenizer(models / "gguf-vocabs/ggml-vocab-phi-3.gguf");
  // Phi-3's pieces are Llama 2's; its own end of text is another.
  tokenizer->set_special_ids({.bos = 1, .eos = 2, .unk = 0, .pad = {}});
  return tokenizer;
}

std::shared_ptr<const Tokenizer> load_qwen2(const fs::path& models) {
  const test::TemporaryFolder folder;
  for (const char* name : {"vocab.json", "merges.txt"}) {
    TextSource source(models / "qwen3" / (std::string(name) + ".gz"));
    write_file(folder / name, source.rest());
  }
  std::shared_ptr<Tokenizer> tokenizer =
      load_vocab_and_merges(folder / "vocab.json", folder / "merges.txt", true);
  // Qwen2's base models: no BOS, and the end of text is behind the 151,643 pieces.
  tokenizer->set_special_ids({.bos = {}, .eos = 151643, .unk = {}, .pad = {}});
  return tokenizer;
}

// Counts what is equal, so that a line can say "166 of 166".
struct Count {
  int equal = 0, all = 0;
  std::string first;

  void add(bool is_equal, const std::string& what) {
    equal += is_equal;
    ++all;
    if (!is_equal && first.empty()) first = ", first at " + what;
  }
  void report(const char* quantity, OracleReport& to) const {
    to.equal(quantity, equal == all && all > 0, fmt::format("{} of {}{}", equal, all, first));
  }
};

PromptConfig config_of(const Json& file, const std::string& verbalizer) {
  const Json& authors = file.at("template");
  PromptConfig config;
  config.max_title_tokens = json_get<int64_t>(authors, "max_title_tokens", "template");
  config.max_tokens = json_get<int64_t>(authors, "max_text_tokens", "template");
  config.max_history = json_get<int64_t>(authors, "max_history", "template");
  config.verbalizer = verbalizer;
  // The default text is the authors'.
  auto input = authors.at("input").get<std::string>();
  input.replace(input.find("{}"), 2, "{history}");
  input.replace(input.find("{}"), 2, "{candidates}");
  config.text = fmt::format("### Instruction:\n{}\n\n### Input:\n{}\n\n### Response:\n",
                            authors.at("system").get<std::string>(), input);
  return config;
}

void check_titles(const Json& titles, const std::string& name, const Tokenizer& tokenizer,
                  const PromptConfig& config, OracleReport& report) {
  const TitleCutter cutter(config, tokenizer);
  Count ids, cut;
  for (const Json& entry : titles) {
    const auto title = entry.at("title").get<std::string>();
    const Json& want = entry.at(name);
    ids.add(tokenizer.encode(title) == want.at("ids").get<Ids>(), title.substr(0, 40));
    cut.add(cutter.cut(title) == want.at("truncated").get<std::string>(), title.substr(0, 40));
  }
  ids.report("title ids", report);
  cut.report("titles after the cut", report);
}

void check_examples(const Json& file, const std::string& name, const Tokenizer& tokenizer,
                    const PromptConfig& config, OracleReport& report) {
  PromptConfig low = config;
  low.max_tokens = file.at("template").at("short_max_text_tokens").get<int64_t>();
  const TitleCutter cutter(config, tokenizer);
  const PromptEncoder encoder(tokenizer, config), short_encoder(tokenizer, low);
  Count texts, eval, train, positions, eval_cut, train_cut;
  for (size_t i = 0; i < file.at("examples").size(); ++i) {
    const Json& example = file.at("examples")[i];
    const Json& want = example.at(name);
    const std::string what = fmt::format("example {}", i);
    Texts history, candidates;
    for (const Json& title : example.at("history_titles"))
      history.push_back(cutter.cut(title.get<std::string>()));
    for (const Json& title : example.at("candidate_titles"))
      candidates.push_back(cutter.cut(title.get<std::string>()));
    const std::string prompt = render_prompt(config, history, candidates);
    const std::string letter = letter_of(want.at("label").get<int64_t>());
    texts.add(prompt == want.at("prompt").get<std::string>() &&
                  letter == want.at("letter").get<std::string>(),
              what);
    eval.add(encoder.encode(prompt) == want.at("eval_ids").get<Ids>(), what);
    const auto training = encoder.encode_training(prompt, letter);
    train.add(training.ids == want.at("train_ids").get<Ids>(), what);
    positions.add(std::vector<int64_t>{training.letter, training.eos} ==
                      want.at("supervised_positions").get<std::vector<int64_t>>(),
                  what);
    eval_cut.add(short_encoder.encode(prompt) == want.at("eval_ids_max256").get<Ids>(), what);
    train_cut.add(
        short_encoder.encode_training(prompt, letter).ids == want.at("train_ids_max256").get<Ids>(),
        what);
  }
  texts.report("prompts", report);
  eval.report("eval ids", report);
  train.report("train ids", report);
  positions.report("supervised positions", report);
  eval_cut.report("eval ids, short limit", report);
  train_cut.report("train ids, short limit", report);
}

void check_letters(const Json& letters, const std::string& name, const Tokenizer& tokenizer,
                   PromptConfig config, OracleReport& report) {
  for (const char* kind : {"exact", "compat"}) {
    config.verbalizer = kind;
    const PromptEncoder encoder(tokenizer, config);
    report.equal(fmt::format("letter ids {}", kind),
                 make_verbalizer(encoder, config).ids == letters.at(name).at(kind).get<Ids>());
  }
}

double log_sum_exp(const float* row, int64_t count) {
  double top = row[0], sum = 0;
  for (int64_t i = 1; i < count; ++i) top = std::max(top, double{row[i]});
  for (int64_t i = 0; i < count; ++i) sum += std::exp(row[i] - top);
  return top + std::log(sum);
}

// Mean over letter and EOS of all training texts.
double training_loss(const Llama& model, const Json& examples, ThreadPool& pool) {
  double loss = 0;
  int64_t count = 0;
  for (const Json& example : examples) {
    const Ids ids = example.at("llama2").at("train_ids").get<Ids>();
    // The last label has no position behind it, and nobody needs its own logits.
    const LlamaSequence sequence{std::ssize(ids) - 1};
    const Matrix hidden =
        model.hidden(model.embed(std::span(ids).first(ids.size() - 1)), {&sequence, 1}, 2, pool);
    const Matrix logits = model.logits(hidden, pool);
    for (int64_t row = 0; row < 2; ++row, ++count) {
      const int32_t label = ids[ids.size() - 2 + static_cast<size_t>(row)];
      loss += log_sum_exp(logits.row(row), logits.columns) - logits.row(row)[label];
    }
  }
  return loss / static_cast<double>(count);
}

std::string ranking_of(const float* scores, int64_t count) {
  std::vector<int64_t> order(count);
  for (int64_t i = 0; i < count; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::string text;
  for (const int64_t i : order) text += letter_of(i);
  return text;
}

std::vector<double> numbers(const TensorView& view) {
  if (view.dtype == DType::kF64) {
    const auto values = view.as<double>();
    return {values.begin(), values.end()};
  }
  const auto values = view.as<float>();
  return {values.begin(), values.end()};
}

void check_ranker(const fs::path& folder, const Json& file, const Json& stored,
                  const std::string& kind, const std::shared_ptr<const Tokenizer>& tokenizer,
                  ThreadPool& pool, OracleReport& report) {
  const SafetensorsFile want(folder / "outputs.safetensors");
  const Ranker ranker(std::make_shared<Llama>(folder / "ranker"), tokenizer, config_of(file, kind));
  std::vector<Ids> prompts;
  std::vector<int32_t> labels;
  for (const Json& example : file.at("examples")) {
    prompts.push_back(example.at("llama2").at("eval_ids").get<Ids>());
    labels.push_back(example.at("llama2").at("label").get<int32_t>());
  }
  const Matrix scores = ranker.score(prompts, pool);
  for (const char* precision : {"scores.", "scores_fp64."})
    report.error(precision + kind,
                 relative_to_max(scores.values, numbers(want.at(precision + kind))), kScoreLimit);
  const Json& expected = stored.at("ranker").at(kind);
  Count rankings;
  RankList ranks;
  for (int64_t i = 0; i < scores.rows; ++i) {
    rankings.add(
        ranking_of(scores.row(i), scores.columns) == expected.at("ranking")[i].get<std::string>(),
        fmt::format("example {}", i));
    const auto columns = static_cast<size_t>(scores.columns);
    ranks.add(i, 1, rank_of({scores.row(i), columns}, labels[i]));
  }
  rankings.report(("rankings " + kind).c_str(), report);
  const std::vector<int32_t> cutoffs = {1, 5, 10};
  const std::vector<Metric> metrics = ranking_metrics(cutoffs);
  const std::vector<double> values = means(user_values(ranks.ranks, metrics));
  double worst = 0;
  for (size_t m = 0; m < metrics.size(); ++m)
    worst = std::max(
        worst, std::abs(values[m] - expected.at("metrics").at(metrics[m].name()).get<double>()));
  report.error("metrics " + kind, worst, kMetricLimit);
  if (kind == "exact") {
    const std::vector<double> loss = {training_loss(ranker.model(), file.at("examples"), pool)};
    report.error("loss.train", relative_to_max(loss, numbers(want.at("loss.train"))), kLossLimit);
  }
}

void check_verbalizer(const fs::path& folder, OracleReport& report) {
  const Json file = read_json(folder / "examples.json"), titles = read_json(folder / "titles.json"),
             stored = read_json(folder / "verbalizer.json");
  const fs::path models = models_of(folder);
  const std::map<std::string, std::shared_ptr<const Tokenizer>> tokenizers = {
      {"llama2", load_llama2(models)}, {"qwen2", load_qwen2(models)}};
  const PromptConfig config = config_of(file, "exact");
  report.equal("default prompt is the authors'", config.text == PromptConfig().text);
  for (const auto& [name, tokenizer] : tokenizers) {
    report.part(name);
    check_titles(titles, name, *tokenizer, config, report);
    check_examples(file, name, *tokenizer, config, report);
    check_letters(stored, name, *tokenizer, config, report);
  }
  report.part("ranker");
  ThreadPool pool(2);
  for (const char* kind : {"exact", "compat"})
    check_ranker(folder, file, stored, kind, tokenizers.at("llama2"), pool, report);
}

const OracleChecker checker("verbalizer", "engine", check_verbalizer);

}  // namespace
}  // namespace tandem::engine
