// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>

#include "cli/command_tree.h"
#include "cli/help_format.h"
#include "cli/help_verbs.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"

namespace tandem {
namespace {

int exit_code(ExitCode code) {
  const int signal = code == ExitCode::kStopped ? interrupt_signal() : 0;
  return signal > 0 ? 128 + signal : static_cast<int>(code);
}

int complain(const std::string& text, ExitCode code) {
  fmt::print(stderr, "tandem: {}\n", text);
  return exit_code(code);
}

// CLI11 reports what the command line lacks; help and version come the same way, with exit code 0.
// A word that no verb knows comes before anything that is lacking: it is often the lacking option,
// misspelt. A verb that only has sub-verbs explains itself when none is named.
int usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const Command command = typed_command(app);
  const std::vector<std::string> unknown = app.remaining(true);
  if (unknown.empty() && command.app->get_require_subcommand_min() > 0) {
    fmt::print(stderr, "{}", command_help(command));
  } else {
    fmt::print(stderr, "tandem: {}\nTry: {} --help\n",
               unknown.empty() ? error.what() : unknown_word(app, command, unknown.front()),
               command.path);
  }
  return exit_code(ExitCode::kUsage);
}

void build(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormat>());  // of all verbs; so before they are added
  app.set_version_flag("--version", "tandem " TANDEM_VERSION);
  app.require_subcommand(1);
  app.fallthrough(false);
  app.add_flag_callback(
      "-q,--quiet",
      [] {
        set_progress_enabled(false);
        spdlog::set_level(spdlog::level::warn);
      },
      "no progress, warnings and errors only");
  add_data_verb(app);
  add_model_verb(app);
  add_tokenizer_verb(app);
  add_train_verb(app);
  add_embed_verb(app);
  add_retrieve_verb(app);
  add_eval_verb(app);
  add_compare_verb(app);
  add_report_verb(app);
  add_study_verb(app);
  add_recommend_verb(app);
  add_rerank_verb(app);
  add_pretrain_verb(app);
  add_generate_verb(app);
  add_bench_verb(app);
  add_doctor_verb(app);
  add_help_verbs(app);
  // After the verbs, which would take it over.
  app.footer(
      "A first session:\n"
      "  tandem data import --format auto --input ratings/ --output dataset\n"
      "  tandem train retriever --dataset dataset --output run\n"
      "  tandem eval --dataset dataset --retriever run\n"
      "  tandem recommend --run run --dataset dataset --user 1\n"
      "\n`tandem help VERB` explains a verb. Exit codes: 0 ok, 1 failure, 2 usage or "
      "configuration, 3 bad data, 4 interrupted with a checkpoint saved, 130 or 143 "
      "interrupted with nothing kept.");
}

}  // namespace
}  // namespace tandem

// The one place where errors become exit codes.
int main(int argc, char** argv) {
  using namespace tandem;
  init_log();
  CLI::App app("Recommendation with sequence models and large language models, in one program.",
               "tandem");
  try {
    build(app);
    app.parse(argc, argv);
    if (std::fflush(stdout) != 0)
      return complain("standard output: cannot be written", ExitCode::kFailure);
    return exit_code(ExitCode::kOk);
  } catch (const CLI::ParseError& error) {
    return usage(app, error);
  } catch (const Error& error) {
    return complain(error.what(), error.exit_code());
  } catch (const std::bad_alloc&) {
    return complain("out of memory", ExitCode::kFailure);
  } catch (const std::exception& error) {
    return complain(error.what(), ExitCode::kFailure);
  }
}
