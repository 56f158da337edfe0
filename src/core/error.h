// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace tandem {

// What went wrong, as the process's exit code (docs/errors.md). kStopped stands for 128 + the
// signal's number: 130 after SIGINT, 143 after SIGTERM.
enum class ExitCode {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kBadData = 3,
  kInterrupted = 4,
  kStopped = 130
};

// Base of all errors that a caller, a file or the machine can cause. The text names the thing
// (file, line, field), what was found and what was expected; it is shown to people as it stands.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  ExitCode exit_code() const { return code_; }

 private:
  ExitCode code_;
};

// One kind of error; the constructor formats its text: throw IoError("{}: {}", path, reason).
#define TANDEM_ERROR_KIND(Name, code)                                      \
  class Name : public Error {                                              \
   public:                                                                 \
    template <typename... Args>                                            \
    explicit Name(fmt::format_string<Args...> format, Args&&... args)      \
        : Error(code, fmt::format(format, std::forward<Args>(args)...)) {} \
  }

TANDEM_ERROR_KIND(UsageError, ExitCode::kUsage);     // wrong command line
TANDEM_ERROR_KIND(ConfigError, ExitCode::kUsage);    // wrong configuration key or value
TANDEM_ERROR_KIND(FormatError, ExitCode::kBadData);  // a file's content is not what its format says
TANDEM_ERROR_KIND(
    DataError, ExitCode::kBadData);  // well-formed data that does not fit (unknown item, empty set)
TANDEM_ERROR_KIND(IoError, ExitCode::kFailure);      // the operating system refused
TANDEM_ERROR_KIND(ShapeError, ExitCode::kFailure);   // tensors that do not fit together
TANDEM_ERROR_KIND(DeviceError, ExitCode::kFailure);  // a device or library that is not there
TANDEM_ERROR_KIND(Interrupted,
                  ExitCode::kInterrupted);       // stopped by a signal, with a checkpoint saved
TANDEM_ERROR_KIND(Stopped, ExitCode::kStopped);  // stopped by a signal, with nothing kept

#undef TANDEM_ERROR_KIND

}  // namespace tandem
