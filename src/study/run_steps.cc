// SPDX-License-Identifier: Apache-2.0
#include "study/run_steps.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "core/clock.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/log.h"
#include "core/version.h"
#include "study/path_fingerprint.h"
#include "study/process.h"

namespace tandem {
namespace {

constexpr const char* kMark = "step.json";
constexpr std::string_view kFormat = "tandem-step-1";

fs::path mark_of(const Step& step) { return step.folder / kMark; }

// The mark of an earlier run of the same step; null when there is none.
Json read_mark(const Step& step) {
  if (!fs::exists(mark_of(step))) return nullptr;
  Json mark = read_json(mark_of(step));
  const std::string where = mark_of(step).string();
  if (json_get<std::string>(mark, "format", where) != kFormat ||
      json_get<std::string>(mark, "key", where) != step.key)
    return nullptr;
  return mark;
}

std::vector<std::string> command_of(const StudyPlan& plan, const Step& step,
                                    const StepOptions& options) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= step.verb.size();) {
    const size_t end = std::min(step.verb.find(' ', begin), step.verb.size());
    words.push_back(step.verb.substr(begin, end - begin));
    begin = end + 1;
  }
  for (const StepWord& word : step.words)
    words.push_back(word.is_path ? plan.path_of(word).string() : word.text);
  words.insert(words.end(), {"--output", step.output_path().string()});
  if (step.resumes) words.push_back("--resume");
  if (step.replaces) words.push_back("--overwrite");
  const bool takes_threads = step.verb != "tokenizer train" && step.verb != "model init";
  if (takes_threads && options.threads > 0)
    words.insert(words.end(), {"--threads", std::to_string(options.threads)});
  return words;
}

struct Spent {
  double seconds = 0, cpu_seconds = 0;
};

Json mark_json(const StudyPlan& plan, const Step& step, const std::vector<std::string>& command,
               const Spent& spent, bool finished) {
  Json inputs = Json::array();
  for (const StepWord& word : step.words) {
    if (!word.is_path) continue;
    if (word.step) {
      inputs.push_back({{"step", plan.steps[*word.step].folder.filename().string()},
                        {"key", plan.steps[*word.step].key}});
    } else {
      inputs.push_back({{"path", word.text}, {"sha256", path_fingerprint(word.text)}});
    }
  }
  return {{"format", kFormat},
          {"name", step.name},
          {"kind", step.kind},
          {"key", step.key},
          {"command", command},
          {"inputs", inputs},
          {"seconds", spent.seconds},
          {"cpu_seconds", spent.cpu_seconds},
          {"version", program_version()},
          {"commit", program_commit()},
          {"finished", finished}};
}

// Seconds a step will take, from finished ones of its kind, else of its verb.
class Durations {
 public:
  void add(const Step& step, double seconds) {
    for (const std::string& name : {step.kind, step.verb}) {
      auto& [total, count] = known_[name];
      total += seconds;
      ++count;
    }
  }
  std::optional<double> guess(const Step& step) const {
    for (const std::string& name : {step.kind, step.verb}) {
      const auto found = known_.find(name);
      if (found != known_.end()) return found->second.first / found->second.second;
    }
    return std::nullopt;
  }

 private:
  std::map<std::string, std::pair<double, int>> known_;
};

std::string time_left(const StudyPlan& plan, size_t from, const Durations& durations) {
  double seconds = 0;
  int unknown = 0, known = 0;
  for (size_t i = from; i < plan.steps.size(); ++i) {
    if (is_finished(plan.steps[i])) continue;
    if (const auto guess = durations.guess(plan.steps[i])) {
      seconds += *guess;
      ++known;
    } else {
      ++unknown;
    }
  }
  if (known == 0 || seconds < 1) return "";
  return fmt::format("; {}{} left", unknown > 0 ? "more than " : "about ",
                     format_duration(seconds));
}

[[noreturn]] void report_failure(const Step& step, const std::vector<std::string>& command,
                                 const ProcessResult& result) {
  const std::string text =
      fmt::format("{}: {}\n{}\n  the whole log: {}\n  the same again: {}", step.name,
                  result.signal != 0 ? fmt::format("ended by signal {}", result.signal)
                                     : fmt::format("exit code {}", result.exit_code),
                  result.tail, (step.folder / "log.txt").string(), command_line(command));
  switch (result.exit_code) {
    case static_cast<int>(ExitCode::kUsage):
      throw ConfigError("{}", text);
    case static_cast<int>(ExitCode::kBadData):
      throw DataError("{}", text);
    default:
      throw IoError("{}", text);
  }
}

double run_step(const StudyPlan& plan, const Step& step, const StepOptions& options) {
  const std::vector<std::string> command = command_of(plan, step, options);
  std::error_code error;
  fs::create_directories(step.folder, error);
  if (error) throw IoError("{}: {}", step.folder.string(), error.message());
  const Json before = read_mark(step);
  Spent spent;  // with what an interrupted training spent before
  if (!before.is_null() && step.resumes) {
    spent = {.seconds = json_get_or<double>(before, "seconds", 0, kMark),
             .cpu_seconds = json_get_or<double>(before, "cpu_seconds", 0, kMark)};
  }
  // What a verb without --resume and --overwrite left half done would be in its way.
  if (!step.resumes && !step.replaces) fs::remove_all(step.output_path(), error);
  write_json(mark_of(step), mark_json(plan, step, command, spent, false));

  const Stopwatch watch;
  const ProcessResult result =
      run_process(options.program, command, step.folder / "log.txt", [](std::string_view line) {
        if (spdlog::should_log(spdlog::level::info)) fmt::print(stderr, "    {}\n", line);
      });
  spent.seconds += watch.seconds();
  spent.cpu_seconds += result.cpu_seconds;
  const bool good = result.exit_code == 0 && result.signal == 0;
  write_json(mark_of(step), mark_json(plan, step, command, spent, good));
  if (good && !fs::exists(step.output_path()))
    throw IoError("{}: the step ended well, but {} is not there", step.name,
                  step.output_path().string());
  if (good) return spent.seconds;
  // A step that ends with 128 + SIGINT or SIGTERM was stopped, too, and had nothing to keep.
  const bool stopped = result.exit_code == static_cast<int>(ExitCode::kInterrupted) ||
                       result.exit_code == 128 + SIGINT || result.exit_code == 128 + SIGTERM;
  if (interrupted() || stopped)
    throw Interrupted("interrupted in the step '{}'; --resume goes on from there", step.name);
  report_failure(step, command, result);
}

}  // namespace

bool is_finished(const Step& step) {
  const Json mark = read_mark(step);
  return !mark.is_null() && json_get_or<bool>(mark, "finished", false, kMark) &&
         fs::exists(step.output_path());
}

double cpu_seconds(const StudyPlan& plan) {
  double sum = 0;
  for (const Step& step : plan.steps) {
    const Json mark = read_mark(step);
    if (!mark.is_null()) sum += json_get_or<double>(mark, "cpu_seconds", 0, kMark);
  }
  return sum;
}

std::string command_line(const std::vector<std::string>& words) {
  std::string line = "tandem";
  for (const std::string& word : words) {
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n\"'\\$`*?[](){}<>|&;#~!") == std::string::npos;
    line += ' ';
    if (plain) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

void run_steps(const StudyPlan& plan, const StepOptions& options) {
  Durations durations;
  size_t done = 0;
  for (const Step& step : plan.steps) {
    if (!is_finished(step)) continue;
    ++done;
    durations.add(step, json_get_or<double>(read_mark(step), "seconds", 0, kMark));
  }
  if (done > 0) spdlog::info("{} of {} steps are done already", done, plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    if (is_finished(step)) continue;
    if (interrupted()) throw Interrupted("interrupted before the step '{}'", step.name);
    spdlog::info("step {} of {} ({}){}", i + 1, plan.steps.size(), step.name,
                 time_left(plan, i, durations));
    durations.add(step, run_step(plan, step, options));
  }
}

}  // namespace tandem
