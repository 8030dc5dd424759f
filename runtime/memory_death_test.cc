// What is said when the kernel gives no memory.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "base/refusal.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/signal.h"
#include "runtime/test_util.h"
#include "runtime/trace.h"

namespace {
// Mappings of at least so many bytes are refused; 0: none is.
std::atomic<size_t> refused_size{0};
std::atomic<bool> refuse_threads{false};
}  // namespace

// These stand before the C library's.
extern "C" {

void* mmap(void* address, size_t size, int protection, int flags, int fd,
           off_t offset) noexcept {
  if (const size_t least = refused_size.load(); least != 0 && size >= least) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  using Map = void*(void*, size_t, int, int, int, off_t);
  static const auto real = mpg::internal::Real<Map>("mmap");
  return real(address, size, protection, flags, fd, offset);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attr,
                   void* (*start)(void*), void* arg) {
  if (refuse_threads.load()) return EAGAIN;
  using Create =
      int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = mpg::internal::Real<Create>("pthread_create");
  return real(thread, attr, start, arg);
}

}  // extern "C"

namespace mpg {
namespace {

using internal::InTurns;
using internal::Procs;
using internal::RunWith;
using testing::AllOf;
using testing::ExitedWithCode;
using testing::HasSubstr;

class MemoryDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

// More goroutines than fit into what is mapped already, each with a stack.
void ParkMany() {
  auto c = MakeChan<int>();
  for (int i = 0; i < 100'000; ++i) {
    Go([c] { c.Recv(); });
    if (i % 16 == 0) Gosched();
  }
}

TEST_F(MemoryDeathTest, NoStack) {
  EXPECT_EXIT(RunWith(1,
                      [] {
                        refused_size = size_t{1} << 20;  // a slab is more
                        ParkMany();
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr("runtime: cannot get a stack for goroutine "),
                    HasSubstr("fatal error: runtime: out of memory"),
                    HasSubstr("goroutine 1 [")));
}

TEST_F(MemoryDeathTest, NoDescriptor) {
  // Without time slices: else a thread may be started, which needs memory too.
  EXPECT_EXIT(RunWith(InTurns(),
                      [] {
                        refused_size = size_t{1} << 14;
                        // None of them runs, so that none needs a stack.
                        for (int i = 0; i < 1'000'000; ++i) Go([] {});
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr("runtime: cannot map goroutine descriptors: "
                              "errno=12\nfatal error: runtime: out of memory"),
                    HasSubstr("goroutine 1 [")));
}

TEST_F(MemoryDeathTest, NoThreadForTheMonitor) {
  refuse_threads = true;
  EXPECT_THROW(Runtime runtime(Procs(2)), std::system_error);
  refuse_threads = false;
  int ran = 0;
  RunWith(2, [&ran] { ++ran; });
  EXPECT_EQ(ran, 1);
}

TEST_F(MemoryDeathTest, NoThreadForSignals) {
  auto c = MakeChan<int>(1);
  refuse_threads = true;
  EXPECT_THROW(Notify(c, {SIGUSR1}), std::system_error);
  refuse_threads = false;
  Notify(c, {SIGUSR1});
  raise(SIGUSR1);
  EXPECT_EQ(c.Recv(), SIGUSR1);
  Stop(c);
}

TEST_F(MemoryDeathTest, NoStackForSignals) {
  EXPECT_EXIT(RunWith(1,
                      [] {
                        refused_size = size_t{100} << 10;
                        auto c = MakeChan<int>();
                        Go([c] {
                          LockOSThread();  // the next goroutine needs a thread
                          c.Recv();
                        });
                        Go([c] { c.Send(1); });
                        c.Recv();
                      }),
              ExitedWithCode(2),
              HasSubstr("runtime: cannot map a signal stack: errno=12\n"
                        "fatal error: runtime: out of memory"));
}

TEST_F(MemoryDeathTest, NoThreadForATrace) {
  refuse_threads = true;
  const absl::Status status = StartTrace(testing::TempDir() + "/trace");
  // A trace looks at all Runtimes: one that never came to be is none.
  EXPECT_THROW(Runtime runtime(Procs(2)), std::system_error);
  refuse_threads = false;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_TRUE(StartTrace(testing::TempDir() + "/trace").ok());
  StopTrace();
}

}  // namespace
}  // namespace mpg
