// SPDX-License-Identifier: Apache-2.0
#include "learn/learn.h"

#include <c10/util/Exception.h>
#include <fmt/ranges.h>
#include <torch/headeronly/version.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "learn/distributed/process_group.h"
#include "learn/hllm/train_hllm.h"
#include "learn/pretrain/train_pretrain.h"
#include "learn/ranker/train_ranker.h"
#include "learn/retriever/train_retriever.h"
#include "learn/trainer/session.h"

namespace tandem::learn {
namespace {

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

// What libtorch and the system throw, as one line for people.
template <typename Work>
void with_plain_errors(const char* saves_memory, const Work& work) {
  const auto out_of_memory = [&](std::string_view found) {
    return Error(ExitCode::kFailure, fmt::format("out of memory{}{}; what lowers it: {}",
                                                 found.empty() ? "" : ": ", found, saves_memory));
  };
  try {
    work();
  } catch (const std::bad_alloc&) {
    throw out_of_memory("");
  } catch (const IoError& error) {  // a file that cannot be mapped
    if (std::string_view(error.what()).find(std::strerror(ENOMEM)) == std::string_view::npos) throw;
    throw out_of_memory(error.what());
  } catch (const c10::Error& error) {
    const std::string text = first_line(error.what_without_backtrace());
    const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                        text.find("can't allocate memory") != std::string::npos;
    if (memory) throw out_of_memory(text);
    throw Error(ExitCode::kFailure, "libtorch: " + text);
  }
}

// An error on one process ends all, which else would wait for it for ever.
template <typename Work>
void run_on_all(const char* saves_memory, const Work& work) {
  ProcessGroup& group = world();
  try {
    with_plain_errors(saves_memory, [&] { work(group); });
  } catch (const Interrupted&) {
    throw;  // on every process at the same step
  } catch (const std::exception& error) {
    if (group.size() == 1) throw;
    const auto* known = dynamic_cast<const Error*>(&error);
    fmt::print(stderr, "tandem: process {}: {}\n", group.rank(), error.what());
    group.abort(static_cast<int>(known != nullptr ? known->exit_code() : ExitCode::kFailure));
  }
}

// One line a task.
constexpr const TrainingVerb* kVerbs[] = {
    &kTrainRetriever,
    &kTrainRanker,
    &kPretrain,
    &kTrainHllm,
};

const TrainingVerb& verb_named(const std::string& name) {
  std::vector<std::string_view> names;
  for (const TrainingVerb* verb : kVerbs) {
    if (verb->name == name) return *verb;
    names.emplace_back(verb->name);
  }
  throw UsageError("no training verb is named '{}'; there are: {}", name, fmt::join(names, ", "));
}

class LearnOnLibtorch : public Learn {
 public:
  std::string libtorch_version() const override { return TORCH_VERSION; }

  std::vector<std::string> devices() const override {
    std::vector<std::string> names{"cpu"};
    for (int i = 0; i < cuda_devices(); ++i) names.push_back(fmt::format("cuda:{}", i));
    return names;
  }

  void train(const TrainRequest& request) override {
    const TrainingVerb& verb = verb_named(request.verb);
    run_on_all(verb.saves_memory, [&](ProcessGroup& group) { verb.run(request, group); });
  }

  std::string config_help(const std::string& verb) const override {
    return verb_named(verb).keys();
  }

  TrainingSpeed bench_retriever(const TrainRequest& request, int64_t steps) override {
    TrainingSpeed speed;
    with_plain_errors(kTrainRetriever.saves_memory,
                      [&] { speed = time_retriever(request, steps); });
    return speed;
  }
};

}  // namespace

extern "C" Learn* tandem_learn(ProcessState& program) {
  share_process_state(program);
  static LearnOnLibtorch learn;
  return &learn;
}

}  // namespace tandem::learn
