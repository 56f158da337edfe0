// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/verbs.h"
#include "core/clock.h"
#include "core/json.h"
#include "data/describe.h"
#include "data/export.h"
#include "data/generate.h"
#include "data/import.h"

namespace tandem {
namespace {

constexpr const char* kImportHelp =
    R"(Turn a log of who took what, and when, into a data set folder that every other verb reads.

Formats (--format):
  auto       told from the names and the first line
  movielens  u.data, ratings.dat or ratings.csv; titles from u.item, movies.dat or movies.csv beside it
  amazon     reviews (.json, .jsonl) or ratings (.csv) of 2014, 2018 or 2023; titles with --meta
  recbole    NAME.inter, with NAME.item beside it
  csv        one interaction a line under a header; titles from items.csv beside it or --meta
  jsonl      one JSON object a line; titles from items.jsonl beside it or --meta
  sequences  "user TAB item item item", oldest first; titles from titles.tsv or meta.jsonl beside it
  hllm       HLLM's two CSV files, interactions and information
  minionerec a folder with train*, valid*, test*.csv (user, earlier items, next item) and NAME.item.json

Any file may be gzip. Examples:
  tandem data import --format movielens --input ml-latest-small --output data/ml
  tandem data import --format csv --input log.csv --columns user=customer,item=sku,time=bought_at --output data/shop)";

struct ImportFlags {
  ImportOptions options;
  std::string output, columns, meta, ties = "file", titles = "llamarec";
  int64_t min_user = -1, min_item = -1;
  int threads = 0;
  bool json = false;
};

void run_import(ImportFlags& flags) {
  ImportOptions& options = flags.options;
  if (!flags.columns.empty()) options.columns = parse_column_map(flags.columns);
  if (!flags.meta.empty()) options.meta = flags.meta;
  if (options.separator == "tab" || options.separator == "\\t") options.separator = "\t";
  options.ties = flags.ties == "item" ? TieRule::kItem : TieRule::kFile;
  options.titles = flags.titles == "clean"   ? MovieTitles::kClean
                   : flags.titles == "plain" ? MovieTitles::kPlain
                                             : MovieTitles::kLlamaRec;
  if (flags.min_user >= 0) options.min_user = flags.min_user;
  if (flags.min_item >= 0) options.min_item = flags.min_item;
  const Stopwatch watch;
  ThreadPool pool(flags.threads);
  const ImportReport report = import_dataset(options, flags.output, pool);
  const PrepareReport& prepared = report.prepared;
  if (flags.json) {
    const Json json = {{"dataset", flags.output},
                       {"format", report.format},
                       {"raw_users", prepared.raw_users},
                       {"raw_items", prepared.raw_items},
                       {"raw_interactions", prepared.raw_interactions},
                       {"num_users", prepared.num_users},
                       {"num_items", prepared.num_items},
                       {"num_interactions", prepared.num_interactions},
                       {"titled_items", prepared.titled_items},
                       {"skipped_lines", report.skipped_lines},
                       {"fingerprint", prepared.fingerprint},
                       {"seconds", watch.seconds()}};
    fmt::print("{}\n", json.dump(2));
    return;
  }
  fmt::print("read   {} users, {} items, {} interactions (format {})\n", prepared.raw_users,
             prepared.raw_items, prepared.raw_interactions, report.format);
  if (report.skipped_lines > 0) fmt::print("       {} bad lines skipped\n", report.skipped_lines);
  if (prepared.untitled_interactions > 0)
    fmt::print("       {} interactions with untitled items dropped\n",
               prepared.untitled_interactions);
  fmt::print("wrote  {} users, {} items ({} with a title), {} interactions to {} in {}\n",
             prepared.num_users, prepared.num_items, prepared.titled_items,
             prepared.num_interactions, flags.output, format_duration(watch.seconds()));
  if (report.min_user > 1 || report.min_item > 1)
    fmt::print(
        "       every user has at least {} interactions, every item {} (--min-user, --min-item)\n",
        report.min_user, report.min_item);
}

void add_import(CLI::App& data) {
  const auto flags = std::make_shared<ImportFlags>();
  ImportOptions& options = flags->options;
  CLI::App* verb = data.add_subcommand("import", kImportHelp);
  verb->add_option("--format", options.format, "what the input is; see above")
      ->check(CLI::IsMember(import_formats()))
      ->capture_default_str();
  verb->add_option("--input", options.input, "a file or a folder")->required();
  verb->add_option("--output", flags->output, "the data set folder to write")->required();
  verb->add_option("--meta", flags->meta, "file with item titles and other text");
  verb->add_option("--columns", flags->columns,
                   "csv, jsonl: names (csv: or numbers from 1) of the columns: "
                   "user=..,item=..,time=..,rating=..,title=..");
  verb->add_option("--separator", options.separator,
                   "csv: what separates columns; default told from the first line");
  verb->add_option("--min-user", flags->min_user,
                   "drop users with fewer interactions, repeatedly with --min-item (default 5; "
                   "sequences, hllm, minionerec: 0)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--min-item", flags->min_item,
                   "drop items with fewer interactions (default 5; sequences, hllm, minionerec: 0)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--ties", flags->ties,
                   "order of a user's interactions at equal times: as in the file, or by item as "
                   "LlamaRec does")
      ->check(CLI::IsMember({"file", "item"}))
      ->capture_default_str();
  verb->add_option("--titles", flags->titles,
                   "movielens: titles as LlamaRec writes them (accents broken), the same with "
                   "accents right, or as they are")
      ->check(CLI::IsMember({"llamarec", "clean", "plain"}))
      ->capture_default_str();
  verb->add_flag("--drop-untitled", options.drop_untitled,
                 "drop items without a title first, as LlamaRec does");
  verb->add_flag("--skip-bad-lines", options.skip_bad_lines,
                 "count lines that cannot be read instead of stopping");
  verb->add_flag("--overwrite", options.overwrite, "replace an existing output folder");
  verb->add_option("--threads", flags->threads, "0: one per processor")
      ->check(CLI::NonNegativeNumber);
  verb->add_flag("--json", flags->json, "print the result as JSON");
  verb->callback([flags] { run_import(*flags); });
}

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
    fmt::print("wrote {} interactions of {} users to {}\n", dataset.num_interactions(),
               dataset.num_users(), flags->output);
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
      "generate", "Write a CSV file of random interactions, to try out sizes and speed.");
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
  add_import(*data);
  add_describe(*data);
  add_export(*data);
  add_generate(*data);
}

}  // namespace tandem
