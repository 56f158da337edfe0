// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/thread_pool.h"
#include "formats/run_folder.h"
#include "offline/build_star.h"

namespace tandem {
namespace {

constexpr const char* kFooter =
    "Nothing is trained, and libtorch is not needed. An item's score is the mean over the newest "
    "--length items s of the history, each counting --recency times the one after it, of\n\n"
    "  semantic-weight * cosine of the two items' vectors\n"
    "  + (1 - semantic-weight) * users in common / sqrt(users of the one * users of the other)\n\n"
    "Users are those of the train interactions. Writes item_vectors.safetensors, "
    "cooccurrence.safetensors, items.bin, config.json and run.json; the run is a retriever for "
    "every verb.\n\n"
    "  tandem train star --dataset D --base LLAMA --output RUN\n"
    "  tandem train star --dataset D --vectors RUN/item_vectors.safetensors --recency 0.5 "
    "--output RUN2\n";

struct Options {
  std::string dataset, output, base, vectors;
  ItemPromptConfig text;
  StarConfig config;
  int threads = 0;
  bool overwrite = false;
};

void add_text_options(CLI::App& verb, ItemPromptConfig& text) {
  verb.add_option("--text-prompt", text.prompt, "what the text of every item begins with");
  verb.add_option("--text-keys", text.keys,
                  "fields of an item that its text consists of, with commas, in this order")
      ->delimiter(',')
      ->capture_default_str();
  verb.add_option("--text-max-tokens", text.max_tokens, "a text keeps its first tokens")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
}

void run(const Options& options, bool has_text) {
  StarSource source{.base = options.base, .vectors = options.vectors, .text = {}};
  if (has_text) source.text = options.text;
  const Dataset dataset = Dataset::open(options.dataset);
  const Output output(options.output, kRunFolder, options.overwrite,
                      {options.dataset, options.base, options.vectors});
  ThreadPool pool(options.threads);
  build_star(options.config, source, dataset, output, pool);
}

}  // namespace

void add_train_star(CLI::App& train) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = train.add_subcommand(
      "star", "Build STAR, a retriever of item vectors and users in common, without training");
  verb->add_option("--dataset", options->dataset, "data set folder of `tandem data import`")
      ->required();
  verb->add_option("--base", options->base,
                   "Hugging Face folder or GGUF file: an item's vector is the mean of its text's "
                   "states; or a run of HLLM: its Item LLM")
      ->check(CLI::ExistingPath);
  verb->add_option("--vectors", options->vectors,
                   "item vectors that are there: .safetensors or .jsonl of `tandem embed --items`, "
                   "or a run's item_vectors.safetensors")
      ->check(CLI::ExistingFile);
  verb->add_option("--output", options->output, "run folder to write")->required();
  verb->add_option("--semantic-weight", options->config.semantic_weight,
                   "what the vectors count, 0 to 1; the users in common count the rest")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_option("--recency", options->config.recency,
                   "what an item counts, as a share of the one after it")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_option("--length", options->config.length, "newest items of a history that count")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  add_text_options(*verb, options->text);
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--overwrite", options->overwrite, "replace a run that is there");
  verb->footer(kFooter);
  verb->callback([options, verb] {
    bool has_text = false;
    for (const char* name : {"--text-prompt", "--text-keys", "--text-max-tokens"})
      has_text = has_text || verb->count(name) > 0;
    run(*options, has_text);
  });
}

}  // namespace tandem
