// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/data_verbs.h"
#include "cli/verbs.h"
#include "core/json.h"
#include "core/plural.h"
#include "data/describe.h"
#include "data/export.h"
#include "data/generate.h"

namespace tandem {
namespace {

void add_describe(CLI::App& data) {
  struct Flags {
    std::string dataset;
    int64_t samples = 3;
    bool json = false;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* verb = data.add_subcommand("describe",
                                       "Show what is in a data set folder: counts, history "
                                       "lengths, time span, samples. Checks its fingerprint.");
  verb->add_option("dataset", flags->dataset, "a data set folder")->required();
  verb->add_option("--samples", flags->samples, "how many users to show")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_flag("--json", flags->json, "print as JSON");
  verb->callback([flags] {
    const Json description = describe_dataset(Dataset::open(flags->dataset), flags->samples);
    fmt::print("{}", flags->json ? description.dump(2) + "\n" : describe_text(description));
  });
}

void add_export(CLI::App& data) {
  struct Flags {
    std::string dataset, output, format = "csv";
    bool overwrite = false;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* verb = data.add_subcommand("export",
                                       "Write a data set folder in a common format. 'data import "
                                       "--min-user 0 --min-item 0' reads it back unchanged.");
  verb->add_option("dataset", flags->dataset, "a data set folder")->required();
  verb->add_option("--format", flags->format, "RecBole atomic files, JSON lines or CSV")
      ->check(CLI::IsMember({"recbole", "jsonl", "csv"}))
      ->capture_default_str();
  verb->add_option("--output", flags->output, "the folder to write")->required();
  verb->add_flag("--overwrite", flags->overwrite, "replace an existing output folder");
  verb->callback([flags] {
    const Output output(flags->output, kExportFolder, flags->overwrite, {flags->dataset});
    const Dataset dataset = Dataset::open(flags->dataset);
    export_dataset(dataset,
                   flags->format == "recbole" ? ExportFormat::kRecbole
                   : flags->format == "jsonl" ? ExportFormat::kJsonl
                                              : ExportFormat::kCsv,
                   output);
    fmt::print("wrote {} of {} to {}\n", counted(dataset.num_interactions(), "interaction"),
               counted(dataset.num_users(), "user"), flags->output);
  });
}

void add_generate(CLI::App& data) {
  struct Flags {
    GenerateOptions options;
    std::string output;
    bool overwrite = false;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* verb = data.add_subcommand(
      "generate", "Write a CSV file of random interactions, to try out sizes and speed");
  verb->add_option("--users", flags->options.num_users, "number of users")->capture_default_str();
  verb->add_option("--items", flags->options.num_items, "number of items")->capture_default_str();
  verb->add_option("--interactions", flags->options.num_interactions, "number of lines")
      ->capture_default_str();
  verb->add_option("--seed", flags->options.seed, "the same seed gives the same file")
      ->capture_default_str();
  verb->add_option("--output", flags->output, "the CSV file to write")->required();
  verb->add_flag("--overwrite", flags->overwrite, "replace a file that this verb wrote");
  verb->callback([flags] {
    generate_interactions(flags->options, {flags->output, kGeneratedFile, flags->overwrite});
  });
}

}  // namespace

void add_data_verb(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Import, describe and export data sets");
  data->require_subcommand(1);
  add_data_import_verb(*data);
  add_describe(*data);
  add_export(*data);
  add_generate(*data);
}

}  // namespace tandem
