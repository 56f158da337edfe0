// SPDX-License-Identifier: Apache-2.0
#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace tandem {
namespace {

TEST(ThreadPool, RunsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const int64_t count : {0, 1, 2, 3, 1000}) {
      SCOPED_TRACE(count);
      std::vector<std::atomic<int>> runs(count);
      std::atomic<bool> good_worker{true};
      pool.parallel_for(count, [&](int64_t index, int worker) {
        if (worker < 0 || worker >= threads) good_worker = false;
        ++runs[index];
      });
      EXPECT_TRUE(good_worker);
      for (const auto& run : runs) EXPECT_EQ(run, 1);
    }
  }
}

// A worker index belongs to one thread at a time, so scratch memory by worker needs no lock.
TEST(ThreadPool, WorkersDoNotShareAnIndex) {
  ThreadPool pool(4);
  std::vector<int64_t> by_worker(4, 0);
  pool.parallel_for(20000, [&](int64_t, int worker) { ++by_worker[worker]; });
  EXPECT_EQ(by_worker[0] + by_worker[1] + by_worker[2] + by_worker[3], 20000);
}

TEST(ThreadPool, FirstExceptionReachesTheCallerAndThePoolGoesOn) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      std::atomic<int64_t> runs{0};
      try {
        pool.parallel_for(1000, [&](int64_t index, int) {
          ++runs;
          if (index == 3) throw std::runtime_error("three");
        });
        FAIL() << "nothing was thrown";
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "three");
      }
      runs = 0;
      pool.parallel_for(50, [&](int64_t, int) { ++runs; });
      EXPECT_EQ(runs, 50);
    }
  }
}

TEST(ThreadPool, AfterAnExceptionTheRestIsSkipped) {
  constexpr int64_t kTasks = 5000;
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    std::atomic<int64_t> runs{0};
    // Every other task takes a millisecond, so a pool that goes on would run them all and one that
    // stops only a few, however long the thread that throws is kept from the processor.
    EXPECT_THROW(pool.parallel_for(kTasks,
                                   [&](int64_t index, int) {
                                     ++runs;
                                     if (index == 0) throw std::runtime_error("first");
                                     std::this_thread::sleep_for(std::chrono::milliseconds(1));
                                   }),
                 std::runtime_error);
    EXPECT_LT(runs, kTasks) << threads << " threads";
  }
}

TEST(ThreadPool, ManyShortRangesInARow) {
  ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  for (int64_t round = 0; round < 5000; ++round)
    pool.parallel_for(3, [&](int64_t index, int) { sum += index; });
  EXPECT_EQ(sum, 15000);
}

TEST(ThreadPool, DefaultSizeIsTheProcessorsOfThisProcess) {
  EXPECT_EQ(ThreadPool().size(), available_processors());
}

}  // namespace
}  // namespace tandem
