// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tandem {

// Runs index ranges on a fixed number of threads, the caller's included. Tasks are handed out one
// by one, so a thread that the system delays does not hold up the others; which thread runs a task
// must not change its result.
class ThreadPool {
 public:
  // num_threads 0 means one per processor that this process may use.
  explicit ThreadPool(int num_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(index, worker) for every index in [0, count), worker in [0, size()). Returns when
  // all are done and rethrows the first exception; the rest of the tasks is then skipped. One call
  // at a time; a task must not call it.
  void parallel_for(int64_t count, const std::function<void(int64_t index, int worker)>& task);

 private:
  void work(int worker);
  void run_tasks(int worker);

  std::vector<std::jthread> workers_;
  std::mutex mutex_;  // guards generation_, busy_, stop_, error_
  std::condition_variable start_, done_;
  uint64_t generation_ = 0;
  int busy_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  const std::function<void(int64_t, int)>* task_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
};

// Processors that this process may run on.
int available_processors();

}  // namespace tandem
