// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_options.h"

#include <algorithm>

#include "core/error.h"
#include "rank/ranker_files.h"

namespace tandem {
namespace {

void add_main_options(CLI::App& verb, EvalOptions& options) {
  verb.add_option("--dataset", options.dataset, "data set folder, from `tandem data import`")
      ->required();
  verb.add_option(
          "--retriever", options.retriever,
          "a run folder, an authors' checkpoint (.pth, .safetensors), or popularity; with a "
          "second stage a run folder or a candidate file")
      ->required();
  verb.add_option("--baseline", options.baseline,
                  "popularity: a second system to compare a retriever alone with")
      ->check(CLI::IsMember({"popularity"}));
  verb.add_option("--split", options.split, "which held-out item: valid or test")
      ->capture_default_str();
  verb.add_option("--exclude", options.exclude,
                  "known items that cannot be recommended: window (those the model sees), history "
                  "(all known), none; a candidate file keeps its own rule")
      ->capture_default_str();
  verb.add_option("--users", options.users,
                  "a random sample of so many users, drawn from --seed; part of the protocol")
      ->check(CLI::Range(1, 1'000'000'000));
  verb.add_option("--ks", options.cutoffs, "cut-offs K of Recall, MRR and NDCG")->delimiter(',');
  verb.add_option("--output", options.output,
                  "folder for metrics.json and ranks.tsv, which `tandem compare` reads, and "
                  "report.html");
  verb.add_flag("--overwrite", options.overwrite, "replace the output folder");
  verb.add_flag("--resume", options.resume,
                "with a second stage: go on after the users that an interrupted evaluation of this "
                "output was done with; the result has the same bits");
  verb.add_option(
          "--max-length", options.max_length,
          "history length of a checkpoint that does not say it; the window of popularity alone")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb.add_option("--resamples", options.resampling.resamples, "bootstrap samples")
      ->capture_default_str();
  verb.add_option("--seed", options.resampling.seed, "of the bootstrap and of --users")
      ->capture_default_str();
  verb.add_option("--threads", options.threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb.add_flag("--details", options.details,
                "print all cut-offs, the lists beyond accuracy and the protocol, too");
  verb.add_flag("--json", options.json, "the whole result as JSON");
}

void add_beyond_options(CLI::App& verb, EvalOptions& options) {
  const std::string group = "Beyond accuracy";
  BeyondOptions& beyond = options.beyond;
  verb.add_option("--list-size", beyond.list_size,
                  "k of coverage, Gini, popularity and the like of what is recommended")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str()
      ->group(group);
  verb.add_option("--history-lengths", beyond.history_lengths,
                  "score again with histories cut to so many newest items, as 1,2,5,10,20")
      ->delimiter(',')
      ->group(group);
  verb.add_flag("--position-bias", beyond.position_bias,
                "with --ranker: score again with the candidates in random order; accuracy and "
                "first choices by the place of the truth")
      ->group(group);
  verb.add_option("--examples", beyond.examples,
                  "with a second stage and --output or --json: users to show with prompt and "
                  "probabilities")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str()
      ->group(group);
  verb.add_flag("--generate", options.generate,
                "with a second stage: let its model write lists of titles, too; format compliance "
                "and invented titles")
      ->group(group);
  verb.add_option("--generate-users", options.generate_users, "with --generate: for so many users")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str()
      ->group(group);
}

bool brings_its_own_model(const std::string& ranker) {
  return is_ranker_run(ranker) && !read_ranker_files(ranker).model.empty();
}

// An option, whether it has an effect beside the others, and what it would need.
struct Rule {
  const char* option;
  bool has_effect;
  const char* needs;
};

std::vector<Rule> rules(const EvalOptions& options) {
  const TwoStageOptions& second = options.second;
  const bool stages = second.asked(), output = !options.output.empty();
  const bool popularity = options.retriever == "popularity";
  const bool run = !second.ranker.empty() && is_ranker_run(second.ranker);
  const char* const a_second_stage = "a second stage: --ranker, --likelihood or --judge";
  const char* const letters = "--ranker: only letters have an order";
  return {
      {"--baseline", !stages && !popularity,
       "a retriever alone that is not popularity itself; a second stage is held against its "
       "retriever"},
      {"--max-length", !stages,
       "a retriever alone; the candidates of a second stage come from a run, which says it, or a "
       "file"},
      {"--overwrite", output, "--output"},
      {"--resume", stages && output,
       "--output and a second stage, whose scores are kept beside it"},
      {"--details", !options.json, "text; --json holds everything"},
      {"--base", run && !brings_its_own_model(second.ranker),
       "a --ranker run with an adapter; other models bring their weights along"},
      {"--precision", stages, a_second_stage},
      {"--set", !second.likelihood.empty() || (!second.ranker.empty() && !run),
       "--likelihood, or a --ranker that is a model as it is; a ranker's run keeps its own prompt"},
      {"--permutations", !second.ranker.empty(), letters},
      {"--position-bias", !second.ranker.empty(), letters},
      {"--fuse", stages, a_second_stage},
      {"--list-size", !popularity,
       "a retriever with lists of its users; popularity has one for all"},
      {"--history-lengths", !popularity, "a model; popularity does not look at histories"},
      {"--examples", stages && (output || options.json),
       "a second stage, and --output or --json to show them in"},
      {"--generate", !second.ranker.empty() || !second.likelihood.empty(),
       "--ranker or --likelihood, which write"},
      {"--generate-users", options.generate, "--generate"},
  };
}

}  // namespace

std::optional<engine::SeenItems> EvalOptions::seen() const {
  if (!has("--exclude")) return {};
  return engine::parse_seen_items(exclude);
}

std::vector<fs::path> EvalOptions::inputs() const {
  std::vector<fs::path> paths;
  for (const std::string& path :
       {dataset, retriever, second.ranker, second.likelihood, second.judge, second.base})
    if (!path.empty()) paths.emplace_back(path);
  return paths;
}

void add_eval_options(CLI::App& verb, EvalOptions& options) {
  add_main_options(verb, options);
  add_two_stage_options(verb, options.second);
  verb.add_flag("--fuse", options.second.fuse,
                "with a second stage, one more column: retriever and models combined, with "
                "weights found on validation");
  add_beyond_options(verb, options);
}

void check_eval_options(const CLI::App& verb, EvalOptions& options) {
  for (const CLI::Option* option : verb.get_options())
    if (option->count() > 0) options.given.insert(option->get_name());
  if (options.second.asked() && options.retriever == "popularity")
    throw UsageError("--retriever is popularity; a second stage needs a run or a candidate file");
  for (const Rule& rule : rules(options))
    if (options.has(rule.option) && !rule.has_effect)
      throw UsageError("{} has no effect here; it needs {}", rule.option, rule.needs);
  options.resampling.validate();
  ranking_metrics(options.cutoffs);
  engine::parse_seen_items(options.exclude);
  options.beyond.validate();
  if (options.generate) options.beyond.generated_lists = options.generate_users;
}

}  // namespace tandem
