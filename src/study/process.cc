// SPDX-License-Identifier: Apache-2.0
#include "study/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"

namespace tandem {
namespace {

constexpr size_t kTailLines = 12;
constexpr int kPollMs = 200;

std::string reason() { return std::strerror(errno); }

void write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw IoError("the log cannot be written: {}", reason());
    text.remove_prefix(static_cast<size_t>(written));
  }
}

// Only calls that are safe after fork.
[[noreturn]] void become(const char* program, char* const* argv, int output, pid_t parent) {
  ::setpgid(0, 0);  // signals of the terminal reach the parent alone, which passes them on
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execv(program, argv);
  ::_exit(127);
}

}  // namespace

ProcessResult run_process(const std::string& program, const std::vector<std::string>& arguments,
                          const fs::path& log,
                          const std::function<void(std::string_view)>& on_line) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw IoError("pipe: {}", reason());
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) {
    const std::string why = reason();
    ::close(ends[0]);
    ::close(ends[1]);
    throw IoError("{}: {}", log.string(), why);
  }
  std::vector<std::string> words = {"tandem"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(program.c_str(), argv.data(), ends[1], parent);
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    ::close(file);
    throw IoError("fork: {}", reason());
  }
  std::deque<std::string> tail;
  std::string line;
  bool told = false;
  const auto take = [&](char c) {
    if (c != '\n' && c != '\r') {
      line += c;
      return;
    }
    if (line.empty()) return;
    on_line(line);
    tail.push_back(std::move(line));
    if (tail.size() > kTailLines) tail.pop_front();
    line.clear();
  };
  for (;;) {
    if (interrupted() && !told) {
      told = true;
      ::kill(child, SIGINT);
    }
    pollfd wait{.fd = ends[0], .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, kPollMs) <= 0) continue;  // a signal or nothing yet
    char buffer[4096];
    const ssize_t count = ::read(ends[0], buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    const std::string_view text(buffer, static_cast<size_t>(count));
    write_all(file, text);
    for (const char c : text) take(c);
  }
  take('\n');
  ::close(ends[0]);
  ::close(file);
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  ProcessResult result;
  for (const timeval& time : {usage.ru_utime, usage.ru_stime})
    result.cpu_seconds +=
        static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  for (const std::string& last : tail) result.tail += fmt::format("  | {}\n", last);
  if (!result.tail.empty()) result.tail.pop_back();
  if (result.exit_code == 127) throw IoError("{} cannot be started", program);
  return result;
}

FolderLock::FolderLock(const fs::path& folder) {
  const fs::path path = folder / "lock";
  // Without O_CLOEXEC: a child that outlives this process still writes into the folder.
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT, 0644);
  if (file_ < 0) throw IoError("{}: {}", path.string(), reason());
  bool said = false;
  while (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      const std::string why = reason();
      ::close(file_);
      throw IoError("{}: {}", path.string(), why);
    }
    if (interrupted()) {
      ::close(file_);
      throw Interrupted("stopped while another process worked in {}", folder.string());
    }
    if (!said) spdlog::info("another process works in {}; waiting for its end", folder.string());
    said = true;
    ::usleep(kPollMs * 1000);
  }
}

FolderLock::~FolderLock() { ::close(file_); }

}  // namespace tandem
