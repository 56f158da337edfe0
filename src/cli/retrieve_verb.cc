// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/retriever_options.h"
#include "cli/verbs.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/plural.h"
#include "offline/full_ranking.h"
#include "rank/catalogue.h"

namespace tandem {
namespace {

struct RetrieveOptions : RetrieverOptions {
  std::string output, split = "test";
  int64_t k = 20;
  int threads = 0;
  bool json = false, overwrite = false;
};

void run_retrieve(const RetrieveOptions& options) {
  const InterruptGuard guard;
  const Output output(options.output, kCandidateFile, options.overwrite,
                      {options.run, options.dataset});
  const Dataset dataset = Dataset::open(options.dataset);
  const auto retriever =
      open_retriever(options.run, dataset, {.max_length = options.max_length}).retriever;
  ThreadPool pool(options.threads);
  const FullRanking ranking = rank_users(*retriever, dataset, parse_split(options.split), options.k,
                                         engine::parse_seen_items(options.exclude), pool);
  write_candidates(output.path(), ranking.candidates);

  int64_t held = 0;
  for (const int64_t user : ranking.ranks.users) held += ranking.candidates.holds_target(user);
  const int64_t excluded = ranking.ranks.num_excluded();
  if (options.json) {
    fmt::print("{}\n", Json{{"output", options.output},
                            {"split", options.split},
                            {"users", ranking.ranks.size()},
                            {"candidates", options.k},
                            {"users_with_target_among_candidates", held},
                            {"excluded_targets", excluded}}
                           .dump(2));
    return;
  }
  fmt::print(
      "{}: {} for each of {} ({} split); the held-out item is among them for {} ({:.1f} %)\n",
      options.output, counted(options.k, "candidate"), counted(ranking.ranks.size(), "user"),
      options.split, held,
      ranking.ranks.size() == 0
          ? 0.0
          : 100.0 * static_cast<double>(held) / static_cast<double>(ranking.ranks.size()));
  if (excluded > 0)
    fmt::print(
        "for {} of the others it cannot be: they had it before, and what they had is not offered "
        "again (--exclude none would offer it)\n",
        excluded);
}

}  // namespace

void add_retrieve_verb(CLI::App& app) {
  const auto options = std::make_shared<RetrieveOptions>();
  CLI::App* verb =
      app.add_subcommand("retrieve", "Write each user's best candidates to a file, for a ranker");
  add_retriever_options(*verb, *options);
  verb->add_option("--output", options->output, "the candidate file to write (safetensors)")
      ->required();
  verb->add_option("--split", options->split, "which held-out item: valid or test")
      ->capture_default_str();
  verb->add_option("-k,--candidates", options->k, "candidates for each user")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all processors; no influence on the result")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--overwrite", options->overwrite, "replace a candidate file that is there");
  verb->add_flag("--json", options->json, "the summary as JSON");
  verb->callback([options] { run_retrieve(*options); });
}

}  // namespace tandem
