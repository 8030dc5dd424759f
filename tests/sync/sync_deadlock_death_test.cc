// What Go says when everybody waits for each other, in its words.
#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "sync/mutex.h"
#include "sync/sema.h"
#include "sync/wait_group.h"
#include "tests/sync/util.h"

namespace mpg {
namespace {

using sync_test::RunWith;
using testing::AllOf;
using testing::ExitedWithCode;
using testing::HasSubstr;

constexpr char kDeadlock[] =
    "fatal error: all goroutines are asleep - deadlock!";

class SyncDeadlockDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::GTEST_FLAG(death_test_style) = "threadsafe";
  }
};

TEST_F(SyncDeadlockDeathTest, MutexLockedTwice) {
  EXPECT_EXIT(RunWith(2,
                      []() ABSL_NO_THREAD_SAFETY_ANALYSIS {
                        Mutex mu;
                        mu.Lock();
                        mu.Lock();
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr(kDeadlock),
                    HasSubstr("goroutine 1 [sync.Mutex.Lock]:\n")));
}

TEST_F(SyncDeadlockDeathTest, WaitGroupNeverDone) {
  EXPECT_EXIT(RunWith(2,
                      [] {
                        WaitGroup wg;
                        wg.Add(1);
                        wg.Wait();
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr(kDeadlock),
                    HasSubstr("goroutine 1 [sync.WaitGroup.Wait]:\n")));
}

TEST_F(SyncDeadlockDeathTest, SemaphoreNeverReleased) {
  EXPECT_EXIT(
      RunWith(2,
              [] {
                std::atomic<uint32_t> sema{0};
                Semacquire(&sema);
              }),
      ExitedWithCode(2),
      AllOf(HasSubstr(kDeadlock), HasSubstr("goroutine 1 [semacquire]:\n")));
}

TEST_F(SyncDeadlockDeathTest, UnlockOfUnlockedMutexDumpsTheGoroutine) {
  EXPECT_EXIT(
      RunWith(2, []() ABSL_NO_THREAD_SAFETY_ANALYSIS { Mutex().Unlock(); }),
      ExitedWithCode(2),
      AllOf(HasSubstr("fatal error: sync: unlock of unlocked mutex"),
            HasSubstr("goroutine 1 [running]:\n")));
}

TEST_F(SyncDeadlockDeathTest, NegativeWaitGroupCounterIsAPanic) {
  EXPECT_EXIT(RunWith(2, [] { WaitGroup().Done(); }), ExitedWithCode(2),
              AllOf(HasSubstr("panic: sync: negative WaitGroup counter"),
                    HasSubstr("goroutine 1 [running]:\n")));
}

}  // namespace
}  // namespace mpg
