// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "study/plan.h"

namespace tandem {

struct StepOptions {
  std::string program;  // that has the verbs
  int64_t threads = 0;  // of each step; no part of its key
};

// Runs every step that is not finished, one after the other, each as a process of the program.
//
// A step's folder holds
//   step.json   command, key, inputs, version, seconds, CPU seconds, and whether it is finished
//   log.txt     what the process printed
//   out         what it made
//
// A finished step with the same key is not run again. A training that was stopped goes on from its
// checkpoint. SIGINT and SIGTERM reach the running step, which saves its state; then Interrupted. A
// step that fails is an Error of its exit code that quotes the end of its log and the command.
void run_steps(const StudyPlan& plan, const StepOptions& options);

// CPU seconds of all steps, as their marks say.
double cpu_seconds(const StudyPlan& plan);

// Whether the step's mark says that it is done.
bool is_finished(const Step& step);

// The command line to type for the same.
std::string command_line(const std::vector<std::string>& words);

}  // namespace tandem
