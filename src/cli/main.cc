// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

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

// The verb (or sub-verb) that was typed, as one types it: "data import".
std::string typed_verb(const CLI::App& app) {
  std::string verb;
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    verb += at->get_name() + " ";
  }
  return verb;
}

// CLI11 reports what the command line lacks; help and version come the same way, with exit code 0.
int usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  fmt::print(stderr, "tandem: {}\nTry: tandem {}--help\n", error.what(), typed_verb(app));
  return exit_code(ExitCode::kUsage);
}

void build(CLI::App& app) {
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
  app.footer(
      "A first session:\n"
      "  tandem data import --format auto --input ratings/ --output dataset\n"
      "  tandem train retriever --dataset dataset --output run\n"
      "  tandem eval --dataset dataset --retriever run\n"
      "  tandem recommend --run run --dataset dataset --user 1\n"
      "\n`tandem VERB --help` explains a verb. Exit codes: 0 ok, 1 failure, 2 usage or "
      "configuration,\n"
      "3 bad data, 4 interrupted with a checkpoint saved, 130 or 143 interrupted with nothing "
      "kept.");
  add_data_verb(app);
  add_model_verb(app);
  add_tokenizer_verb(app);
  add_train_verb(app);
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
