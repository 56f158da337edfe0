// SPDX-License-Identifier: Apache-2.0
#include "formats/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/version.h"

namespace tandem {
namespace {

constexpr std::string_view kInfo = "run.json", kMetrics = "metrics.jsonl", kState = "state";

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

void sync(const fs::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0 || ::fsync(file.fd) != 0)
    throw IoError("{}: cannot flush to the disk: {}", path.string(), std::strerror(errno));
}

void sync_tree(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() || entry.is_directory()) sync(entry.path());
  }
  sync(folder);
}

// N of a folder named "KIND-N", else nothing: names still being written or removed end in a word.
std::optional<int64_t> state_number(const fs::path& folder, std::string_view kind) {
  const std::string name = folder.filename().string();
  if (!name.starts_with(kind) || name.size() <= kind.size() + 1 || name[kind.size()] != '-')
    return std::nullopt;
  int64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kind.size() + 1, end, number);
  if (error != std::errc() || rest != end || number < 1) return std::nullopt;
  return number;
}

// Calls use(path) for every entry of the folder; none when it is absent or vanishes meanwhile.
template <typename Use>
void for_each_entry(const fs::path& folder, const Use& use) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    use(entry->path());
}

Json describe_host() {
  const Machine machine = describe_machine();
  return {{"name", host_name()},
          {"cpu", machine.cpu_name},
          {"instruction_set", machine.instruction_set},
          {"processors", machine.processors},
          {"memory_bytes", machine.memory_bytes}};
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// What of `values` run.json has otherwise; what it does not have is no difference.
std::vector<ChangedValue> differences(const Json& run, const Json& values) {
  std::vector<ChangedValue> found;
  for (const auto& [key, value] : values.items())
    if (run.contains(key) && run.at(key) != value)
      found.push_back({key, text_of(run.at(key)), text_of(value)});
  return found;
}

// The whole lines of metrics.jsonl with their steps, up to the first that is not what log() writes.
struct Line {
  std::string_view text;  // with its newline
  int64_t step;
  Json value;
};

std::vector<Line> whole_lines(std::string_view text, const std::string& where) {
  std::vector<Line> lines;
  for (size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
    try {
      Json value = parse_json(text.substr(0, end), where);
      const auto step = json_get<int64_t>(value, "step", where);
      lines.push_back({text.substr(0, end + 1), step, std::move(value)});
    } catch (const FormatError&) {
      break;
    }
  }
  return lines;
}

}  // namespace

const OutputKind kRunFolder = {
    .name = "a run",
    .recognises =
        [](const fs::path& folder) { return json_file_has(folder / kInfo, "program", "tandem"); },
    .files = {kInfo,
              kMetrics,
              "config.yaml",
              "lock",
              "state/*",
              "events.out.tfevents.*",
              "report.html",
              "config.json",
              "items.bin",
              "item_llm/*",
              "user_llm/*",
              "extra_parameters.safetensors",
              "item_vectors*",
              "cooccurrence.safetensors",
              "generation_config.json",
              "model*.safetensors",
              "model.safetensors.index.json",
              "tokenizer*",
              "special_tokens_map.json",
              "added_tokens.json",
              "vocab.json",
              "merges.txt",
              "ranker.json",
              "prompt.json",
              "adapter/*",
              "model/*",
              "folds/*"},
    .remedy = ", go on with --resume"};

void warn_if_untrained(const fs::path& run) {
  const fs::path file = run / kInfo;
  if (!fs::is_regular_file(file)) return;
  const std::string where = file.string();
  const Json result = json_get_or<Json>(read_json(file), "result", Json::object(), where);
  if (!json_get_or<bool>(result, "untrained", false, where)) return;
  spdlog::warn(
      "{}: this model is untrained: no validation of its training was better than the one before "
      "the first step (result.untrained in {})",
      run.string(), where);
}

Json run_json(const RunInfo& info) {
  Json run = {{"program", "tandem"},        {"version", program_version()},
              {"commit", program_commit()}, {"verb", info.verb},
              {"seed", info.seed},          {"dataset_fingerprint", info.dataset_fingerprint},
              {"host", describe_host()},    {"started", utc_now()},
              {"resumed", Json::array()}};
  run.update(info.inputs);
  run.update(info.extra);
  if (!info.facts.empty()) run["facts"] = info.facts;
  return run;
}

RunFolder RunFolder::create(const Output& output, const RunInfo& info,
                            std::string_view config_yaml) {
  StagedFolder staged(output);
  fs::create_directories(staged.path() / kState);
  write_json(staged.path() / kInfo, run_json(info));
  write_file(staged.path() / "config.yaml", config_yaml);
  write_file(staged.path() / kMetrics, std::string_view());
  sync_tree(staged.path());
  RunLock lock(staged.path());
  staged.commit();
  RunFolder folder(output.path());
  folder.lock_.emplace(std::move(lock));
  return folder;
}

RunFolder RunFolder::go_on(const fs::path& path, RunLock lock, const RunInfo& info,
                           std::string config_yaml, std::vector<ChangedValue> changed) {
  RunFolder folder = open(path);
  const Json run = folder.info();
  if (!run.is_object()) throw FormatError("{}: not a JSON object", (path / kInfo).string());
  std::vector<ChangedValue> others = differences(run, info.extra);
  Json kept = {
      {"verb", info.verb}, {"seed", info.seed}, {"dataset_fingerprint", info.dataset_fingerprint}};
  kept.update(info.inputs);
  std::vector<ChangedValue> refused = differences(run, kept);
  if (!refused.empty()) {
    std::string where;  // what is new may explain it
    if (!others.empty()) where = fmt::format("; what else differs: {}", describe_changes(others));
    throw ConfigError(
        "{}: --resume cannot change {}: what is done so far depends on it{}. Give what the run "
        "began with, or train anew into another --output",
        path.string(), describe_changes(refused), where);
  }
  changed.insert(changed.end(), others.begin(), others.end());
  folder.lock_.emplace(std::move(lock));
  folder.config_yaml_ = std::move(config_yaml);
  folder.changed_ = std::move(changed);
  return folder;
}

RunFolder RunFolder::open(const fs::path& path) {
  if (!fs::exists(path / kInfo))
    throw IoError("{}: not a run (it has no {})", path.string(), kInfo);
  return RunFolder(path);
}

void RunFolder::resume_at(int64_t step) {
  const fs::path metrics = path_ / kMetrics;
  std::string kept;
  if (fs::exists(metrics)) {
    const MappedFile file(metrics);
    for (const Line& line : whole_lines(file.text(), metrics.string())) {
      if (line.step <= step) kept += line.text;
    }
  }
  write_file(metrics, kept);

  Json run = info();
  if (!run.is_object()) throw FormatError("{}: not a JSON object", (path_ / kInfo).string());
  Json entry = {
      {"step", step}, {"time", utc_now()}, {"commit", program_commit()}, {"host", host_name()}};
  for (const ChangedValue& change : changed_)
    entry["changed"][change.key] = {{"from", change.from}, {"to", change.to}};
  run["resumed"].push_back(std::move(entry));
  write_json(path_ / kInfo, run);
  if (!config_yaml_.empty()) write_file(config_path(), config_yaml_);
}

void RunFolder::log(int64_t step, const Json& values) {
  Json line = {{"step", step}};
  line.update(values);
  const std::string text = line.dump() + "\n";
  const fs::path metrics = path_ / kMetrics;
  const Descriptor file{::open(metrics.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)};
  // One write a line: a crash can cut off the last line, never mix two.
  if (file.fd < 0 ||
      ::write(file.fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw IoError("{}: cannot append: {}", metrics.string(), std::strerror(errno));
}

std::vector<Json> RunFolder::metrics() const {
  std::vector<Json> values;
  const fs::path metrics = path_ / kMetrics;
  if (!fs::exists(metrics)) return values;
  const MappedFile file(metrics);
  for (Line& line : whole_lines(file.text(), metrics.string()))
    values.push_back(std::move(line.value));
  return values;
}

void RunFolder::save_state(std::string_view kind,
                           const std::function<void(const fs::path&)>& fill) {
  TANDEM_CHECK(kind == "last" || kind == "best", "kind = {}", kind);
  const fs::path folder = path_ / kState;
  fs::create_directories(folder);
  int64_t newest = 0;
  std::vector<fs::path> older, leftover;
  for_each_entry(folder, [&](const fs::path& entry) {
    if (const auto number = state_number(entry, kind)) {
      newest = std::max(newest, *number);
      older.push_back(entry);
    } else if (entry.filename().string().starts_with(kind)) {
      leftover.push_back(entry);  // of a process that was killed here
    }
  });
  for (const fs::path& entry : leftover) fs::remove_all(entry);

  const fs::path target = folder / fmt::format("{}-{}", kind, newest + 1);
  const fs::path writing = target.string() + ".writing";
  fs::create_directory(writing);
  try {
    fill(writing);
    sync_tree(writing);
    fs::rename(writing, target);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(writing, ignored);
    throw;
  }
  sync(folder);
  for (const fs::path& entry : older) {
    // Out of readers' sight first: removing takes many steps.
    const fs::path removing = entry.string() + ".removing";
    fs::rename(entry, removing);
    fs::remove_all(removing);
  }
}

std::optional<fs::path> RunFolder::state(std::string_view kind) const {
  int64_t newest = 0;
  std::optional<fs::path> found;
  for_each_entry(path_ / kState, [&](const fs::path& entry) {
    const auto number = state_number(entry, kind);
    if (number && *number > newest) {
      newest = *number;
      found = entry;
    }
  });
  return found;
}

}  // namespace tandem
