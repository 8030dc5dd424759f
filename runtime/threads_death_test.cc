// What is said when there can be no more threads.
#include <errno.h>
#include <pthread.h>

#include <atomic>

#include "base/refusal.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace {
std::atomic<int> refuse_threads{0};  // the errno to refuse with
}  // namespace

#if !defined(MPG_ASAN) && !defined(MPG_TSAN)
// Stands before the C library's.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attr,
                              void* (*start)(void*), void* arg) {
  if (const int error = refuse_threads.load()) return error;
  using Create =
      int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = mpg::internal::Real<Create>("pthread_create");
  return real(thread, attr, start, arg);
}
#endif

namespace mpg {
namespace {

using internal::Procs;
using testing::AllOf;
using testing::ExitedWithCode;
using testing::HasSubstr;

class ThreadsDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

// Each needs a thread of its own.
void LockThreads(int n) {
  auto c = MakeChan<int>();
  for (int i = 0; i < n; ++i) {
    Go([c] {
      LockOSThread();
      c.Recv();
    });
    for (int k = 0; k < 10; ++k) Gosched();
  }
}

TEST_F(ThreadsDeathTest, MoreThanMaxThreadsIsExhaustion) {
  EXPECT_EXIT(
      {
        RuntimeOptions options = Procs(1);
        options.max_threads = 5;
        Runtime runtime(options);
        runtime.Run([] { LockThreads(20); });
      },
      ExitedWithCode(2),
      AllOf(HasSubstr("runtime: program exceeds 5-thread limit\n"
                      "fatal error: thread exhaustion\n"),
            HasSubstr("goroutine 1 [")));
}

TEST_F(ThreadsDeathTest, SetMaxThreadsBelowWhatThereIs) {
  EXPECT_EXIT(internal::RunWith(1,
                                [] {
                                  LockThreads(4);
                                  SetMaxThreads(2);
                                }),
              ExitedWithCode(2),
              HasSubstr("runtime: program exceeds 2-thread limit\n"
                        "fatal error: thread exhaustion\n"));
}

#if !defined(MPG_ASAN) && !defined(MPG_TSAN)
TEST_F(ThreadsDeathTest, KernelThatRefusesAThreadIsReported) {
  EXPECT_EXIT(
      {
        Runtime runtime(Procs(2));
        refuse_threads = EAGAIN;
        runtime.Run([] { LockThreads(3); });
      },
      ExitedWithCode(2),
      AllOf(HasSubstr("runtime: failed to create new OS thread (have 1 "
                      "already; errno=11)\n"),
            HasSubstr("may need to increase max user processes (ulimit -u)\n"
                      "fatal error: newosproc\n")));
}
#endif

}  // namespace
}  // namespace mpg
