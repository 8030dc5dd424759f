// Blocking calls made by plain threads while Runtimes start and end around them:
// the tests that every such call goes through, given as a table of calls.
#ifndef MPG_TESTS_SYNC_FOREIGN_H_
#define MPG_TESTS_SYNC_FOREIGN_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "base/park.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "tests/sync/util.h"

namespace mpg {
namespace sync_test {

// A call on some object, which the functions keep.
struct BlockingCall {
  // Blocks. Returns after a release that comes later, and lets nobody else go
  // on.
  std::function<void()> block;
  // Lets at least one go on that blocks now. Does not block.
  std::function<void()> release;
  // What others do again and again so that those who call `block` in a loop go
  // on each time. Null: `release`.
  std::function<void()> contend = nullptr;
  // `contend` holds something that others need: it must not be abandoned in the
  // midst of it, and may block.
  bool contend_must_end = false;
  // It can be released only once.
  bool once = false;
  // Whoever blocks holds something meanwhile, which is lost if it is abandoned.
  bool keeps_others_out = false;
};

struct NamedCall {
  const char* name;
  BlockingCall (*make)();
  friend std::ostream& operator<<(std::ostream& out, const NamedCall& call) {
    return out << call.name;
  }
};

inline std::string CallName(const testing::TestParamInfo<NamedCall>& info) {
  return info.param.name;
}

inline void WaitUntilParked(int64_t n) {
  while (internal::ParkedThreads() != n) std::this_thread::yield();
}

// The thread is blocked before there is a Runtime.
inline void IsReleasedByARuntimeThatStartsLater(const BlockingCall& call) {
  std::thread thread(call.block);
  WaitUntilParked(1);
  Runtime runtime(Procs(2));
  runtime.Go(call.release);
  thread.join();
}

// The Runtime that it was to be released by has gone.
inline void IsReleasedByAThreadAfterTheRuntime(const BlockingCall& call) {
  std::thread thread;
  {
    Runtime runtime(Procs(2));
    runtime.Run([&] {
      thread = std::thread(call.block);
      while (internal::ParkedThreads() != 1) Gosched();
    });
  }
  EXPECT_EQ(internal::ParkedThreads(), 1);
  call.release();
  thread.join();
}

// Goroutines stand before and behind the thread in the queue.
inline void OutlivesTheGoroutinesItWaitsWith(const BlockingCall& call) {
  if (call.keeps_others_out) return;
  std::thread thread;
  {
    Runtime runtime(Procs(2));
    std::atomic<int> started{0};
    const auto block = [&](int n) {
      for (int i = 0; i < 3; ++i) {
        runtime.Go([&] {
          ++started;
          call.block();
          ADD_FAILURE() << "was not parked";
        });
      }
      while (started != n || !AllParkedBut(0, runtime)) {
        std::this_thread::yield();
      }
    };
    block(3);
    thread = std::thread(call.block);
    WaitUntilParked(1);
    block(6);
  }
  EXPECT_EQ(internal::ParkedThreads(), 1);
  call.release();
  thread.join();
}

// Threads block in a loop, and whatever Runtime there is lets them go on.
inline void WorksWhileRuntimesComeAndGo(const BlockingCall& call) {
  if (call.once) return;
  FastRand rand(TestSeed());
  const auto contend = call.contend != nullptr ? call.contend : call.release;
  constexpr int kThreads = 3;
  std::atomic<int> ended{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < Scaled(300); ++i) call.block();
      ++ended;
    });
  }
  while (ended != kThreads) {
    std::atomic<bool> stop{false};
    RuntimeOptions options = Procs(1 + static_cast<int>(rand.Below(3)));
    Runtime runtime(options);
    for (int g = 0; g < 2; ++g) {
      runtime.Go([&] {
        while (!stop) {
          contend();
          Gosched();
        }
      });
    }
    if (!call.contend_must_end) {
      runtime.Go([&] {
        while (!stop) call.block();
      });
    }
    std::this_thread::sleep_for(std::chrono::microseconds(rand.Below(500)));
    if (call.contend_must_end) {
      stop = true;
      runtime.Wait();
    }
  }
  for (std::thread& t : threads) t.join();
}

// The suite of a table of calls.
#define MPG_TEST_FOREIGN_CALLS(suite, calls)                           \
  class suite : public testing::TestWithParam<NamedCall> {};           \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::ValuesIn(calls),          \
                           ::mpg::sync_test::CallName);                \
  TEST_P(suite, IsReleasedByARuntimeThatStartsLater) {                 \
    sync_test::IsReleasedByARuntimeThatStartsLater(GetParam().make()); \
  }                                                                    \
  TEST_P(suite, IsReleasedByAThreadAfterTheRuntime) {                  \
    sync_test::IsReleasedByAThreadAfterTheRuntime(GetParam().make());  \
  }                                                                    \
  TEST_P(suite, OutlivesTheGoroutinesItWaitsWith) {                    \
    sync_test::OutlivesTheGoroutinesItWaitsWith(GetParam().make());    \
  }                                                                    \
  TEST_P(suite, WorksWhileRuntimesComeAndGo) {                         \
    sync_test::WorksWhileRuntimesComeAndGo(GetParam().make());         \
  }

}  // namespace sync_test
}  // namespace mpg

#endif  // MPG_TESTS_SYNC_FOREIGN_H_
