// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>
#include <string>

#include "cli/verbs.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/log.h"
#include "engine/llama/generate.h"
#include "models/generation_config.h"
#include "rank/prompt.h"

namespace tandem {
namespace {

struct GenerateOptions {
  std::string model, prompt, precision = "float32";
  int64_t max_new_tokens = 64, beams = 0;
  double length_penalty = 1;
  engine::SamplingOptions sampling;
  int threads = 0;
  bool raw = false, json = false;
};

std::vector<int64_t> eos_tokens(const LlamaConfig& config, const Tokenizer& tokenizer) {
  std::vector<int64_t> tokens = config.eos_tokens;
  if (tokens.empty() && tokenizer.eos_id()) tokens.push_back(*tokenizer.eos_id());
  return tokens;
}

// Prints text as it grows. A character may need several tokens: what ends inside one waits.
class Printer {
 public:
  explicit Printer(const Tokenizer& tokenizer, std::span<const int32_t> prompt)
      : tokenizer_(tokenizer), ids_(prompt.begin(), prompt.end()) {
    printed_ = tokenizer_.decode(ids_, true).size();
  }
  void add(int32_t token) {
    ids_.push_back(token);
    const std::string text = tokenizer_.decode(ids_, true);
    if (text.size() < printed_ || text.ends_with("\xEF\xBF\xBD")) return;
    fmt::print("{}", text.substr(printed_));
    std::fflush(stdout);
    printed_ = text.size();
  }

 private:
  const Tokenizer& tokenizer_;
  std::vector<int32_t> ids_;
  size_t printed_ = 0;
};

void run_beams(const GenerateOptions& options, const engine::Llama& model,
               const Tokenizer& tokenizer, std::span<const int32_t> prompt, ThreadPool& pool) {
  const auto found = engine::beam_search(model, prompt,
                                         {.num_beams = options.beams,
                                          .max_new_tokens = options.max_new_tokens,
                                          .eos_tokens = eos_tokens(model.config(), tokenizer),
                                          .length_penalty = options.length_penalty},
                                         pool);
  Json list = Json::array();
  for (const engine::Hypothesis& hypothesis : found) {
    const std::string text = tokenizer.decode(hypothesis.tokens, true);
    if (options.json) {
      list.push_back({{"text", text}, {"tokens", hypothesis.tokens}, {"score", hypothesis.score}});
    } else {
      fmt::print("{:>9.4f}  {}\n", hypothesis.score, text);
    }
  }
  if (options.json)
    fmt::print("{}\n", Json{{"prompt_tokens", prompt.size()}, {"hypotheses", list}}.dump(
                           2, ' ', false, Json::error_handler_t::replace));
}

// How the folder's owner would draw is not how it is done here unless asked for.
void tell_unused_settings(const GenerateOptions& options) {
  const std::vector<std::string> settings = generation_settings(options.model);
  if (settings.empty()) return;
  spdlog::info(
      "{}/generation_config.json: {} not applied; see --temperature, --top-k, --top-p",
      options.model,
      fmt::format("{} {}", fmt::join(settings, ", "), settings.size() == 1 ? "is" : "are"));
}

void run_generate(const GenerateOptions& options) {
  const InterruptGuard guard;
  const engine::Llama model(fs::path(options.model), {}, parse_precision(options.precision));
  const auto tokenizer = load_tokenizer(options.model);
  // The prompt is typed by its owner, who may well mean a special token spelt out.
  std::vector<int32_t> prompt =
      tokenizer->encode(options.prompt, {.add_special = !options.raw, .parse_special = true});
  if (prompt.empty()) throw UsageError("the prompt has no tokens");
  tell_unused_settings(options);
  ThreadPool pool(options.threads);
  if (options.beams > 0) return run_beams(options, model, *tokenizer, prompt, pool);

  Printer printer(*tokenizer, prompt);
  const bool json = options.json;
  const auto tokens = engine::generate(model, prompt,
                                       {.max_new_tokens = options.max_new_tokens,
                                        .eos_tokens = eos_tokens(model.config(), *tokenizer),
                                        .sampling = options.sampling},
                                       pool, [&](int32_t token) {
                                         if (!json) printer.add(token);
                                         return !interrupted();
                                       });
  if (!json) {
    fmt::print("\n");
    return;
  }
  fmt::print("{}\n", Json{{"prompt_tokens", prompt.size()},
                          {"text", tokenizer->decode(tokens, true)},
                          {"tokens", tokens}}
                         .dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

void add_generate_verb(CLI::App& app) {
  const auto options = std::make_shared<GenerateOptions>();
  CLI::App* verb = app.add_subcommand("generate", "Text from a language model, on the CPU");
  verb->add_option("--model", options->model,
                   "Hugging Face folder or GGUF file of the Llama family")
      ->required()
      ->check(CLI::ExistingPath);
  verb->add_option("--prompt", options->prompt, "text to continue")->required();
  verb->add_option("--precision", options->precision,
                   "of the products: float32, or bfloat16, twice as fast where the CPU has it")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  verb->add_option("--max-new-tokens", options->max_new_tokens, "at most so many")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("--temperature", options->sampling.temperature, "0: the likeliest token")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--top-k", options->sampling.top_k, "draw from the k likeliest; 0: from all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--top-p", options->sampling.top_p,
                   "draw from the fewest likeliest that have this probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_option("--seed", options->sampling.seed, "of the draws")->capture_default_str();
  CLI::Option* beams = verb->add_option("--beams", options->beams, "beam search with so many beams")
                           ->check(CLI::Range(1, 1024));
  verb->add_option("--length-penalty", options->length_penalty,
                   "beam search: a sum of log-probabilities is divided by length ^ this")
      ->needs(beams)
      ->capture_default_str();
  verb->add_flag("--raw", options->raw, "the prompt as it stands, without BOS");
  verb->add_option("--threads", options->threads, "0: all processors")->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "the result as JSON");
  verb->footer(
      "The text ends at an EOS token: those of generation_config.json, else of config.json, of the "
      "GGUF file, else the tokenizer's. Sampling settings in generation_config.json are not "
      "applied; the likeliest token is taken unless asked otherwise here.");
  verb->callback([options] { run_generate(*options); });
}

}  // namespace tandem
