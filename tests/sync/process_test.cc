// What docs/differences-from-go.md says of things that know nothing of
// goroutines: std::mutex, signal handlers, fork.
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"
#include "tests/sync/util.h"

#if defined(MPG_TSAN)
// A process that had a Runtime keeps the thread that waits for SIGQUIT, and forks
// with it here.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace mpg {
namespace {

using std::chrono::milliseconds;
using sync_test::Procs;
using sync_test::RunWith;
using sync_test::Scaled;

// --- std::mutex -------------------------------------------------------------

// One goroutine blocks on what a thread holds, and another takes turns, which are
// counted. Calls look(turns) meanwhile.
template <class F>
void WhileAGoroutineBlocks(const RuntimeOptions& options, F look) {
  std::mutex mu;
  std::atomic<bool> locked{false}, blocking{false}, unlocked{false};
  std::atomic<int64_t> turns{0};
  std::thread holder([&] {
    mu.lock();
    locked = true;
    while (!blocking) std::this_thread::yield();
    std::this_thread::sleep_for(milliseconds(10));  // it sleeps by now
    look(turns);
    unlocked = true;
    mu.unlock();
  });
  while (!locked) std::this_thread::yield();
  Runtime runtime(options);
  runtime.Run([&] {
    std::atomic<bool> stop{false};
    WaitGroup wg;
    wg.Go([&] {
      while (!stop) {
        ++turns;
        Gosched();
      }
    });
    wg.Go([&] {
      while (turns == 0) Gosched();
      blocking = true;
      mu.lock();
      EXPECT_TRUE(unlocked);
      mu.unlock();
      stop = true;
    });
    wg.Wait();
  });
  holder.join();
}

TEST(StdMutex, StopsAllOtherGoroutinesOfThePWithoutPreemption) {
  RuntimeOptions options = Procs(1);
  options.async_preempt = false;
  WhileAGoroutineBlocks(options, [](const std::atomic<int64_t>& turns) {
    const int64_t before = turns;
    std::this_thread::sleep_for(milliseconds(30));
    EXPECT_EQ(turns, before);
  });
}

#if !defined(MPG_TSAN)  // it holds the signal back
TEST(StdMutex, LeavesOtherGoroutinesThePAfterATimeSlice) {
  WhileAGoroutineBlocks(Procs(1), [](const std::atomic<int64_t>& turns) {
    const int64_t before = turns;
    while (turns < before + 1000) std::this_thread::yield();
  });
}

#endif

TEST(StdMutex, LeavesOtherPsAlone) {
  RuntimeOptions options = Procs(2);
  options.async_preempt = false;
  WhileAGoroutineBlocks(options, [](const std::atomic<int64_t>& turns) {
    const int64_t before = turns;
    while (turns < before + 1000) std::this_thread::yield();
  });
}

TEST(StdMutex, ExcludesGoroutinesAndThreadsThatDoNotParkUnderIt) {
  std::mutex mu;
  int64_t count = 0;
  const auto work = [&] {
    for (int i = 0; i < Scaled(10'000); ++i) {
      std::lock_guard<std::mutex> guard(mu);
      ++count;
    }
  };
  std::thread thread(work);
  RunWith(2, [&] {
    WaitGroup wg;
    for (int g = 0; g < 8; ++g) wg.Go(work);
    wg.Wait();
  });
  thread.join();
  EXPECT_EQ(count, int64_t{9} * Scaled(10'000));
}

// --- Signals ----------------------------------------------------------------

int signal_pipe[2];

void OnSignal(int) {
  const int saved = errno;
  const char byte = 1;
  if (write(signal_pipe[1], &byte, 1) != 1) _exit(3);
  errno = saved;
}

// To any thread. ThreadSanitizer lets one that sleeps in a system call of ours, as
// an idle M does, run its handlers only when it has woken, which may be never: there
// it is the caller that gets the signal.
int SendSignal(int signal) {
#if defined(MPG_TSAN)
  return raise(signal);
#else
  return kill(getpid(), signal);
#endif
}

// The handler, which may interrupt a goroutine anywhere, calls nothing of mpg; a
// thread sends for it.
TEST(Signals, ReachGoroutinesByWayOfAPipeAndAThread) {
  ASSERT_EQ(pipe(signal_pipe), 0);
  struct sigaction action = {}, before;
  action.sa_handler = OnSignal;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  const auto signals = MakeChan<int>(1);
  std::thread sender([signals] {
    char byte;
    while (read(signal_pipe[0], &byte, 1) == 1) signals.Send(SIGUSR1);
    signals.Close();
  });
  RunWith(2, [&] {
    std::atomic<bool> stop{false};
    WaitGroup wg;
    for (int g = 0; g < 4; ++g) {
      wg.Go([&] {
        const auto c = MakeChan<int>(1);
        while (!stop) {
          c.Send(1);
          c.Recv();
          Gosched();
        }
      });
    }
    for (int i = 0; i < Scaled(200); ++i) {
      ASSERT_EQ(SendSignal(SIGUSR1), 0);
      EXPECT_EQ(signals.Recv(), SIGUSR1);
    }
    stop = true;
    wg.Wait();
  });
  close(signal_pipe[1]);
  sender.join();
  close(signal_pipe[0]);
  sigaction(SIGUSR1, &before, nullptr);
}

// --- fork -------------------------------------------------------------------

int ExitStatusOf(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Fork, AGoroutinesChildMayExecAtOnce) {
  RunWith(2, [] {
    std::atomic<bool> stop{false};
    WaitGroup wg;
    wg.Go([&] {
      while (!stop) Gosched();
    });
    for (int i = 0; i < 5; ++i) {
      wg.Go([] {
        const pid_t child = fork();
        if (child == 0) {
          execl("/bin/sh", "sh", "-c", "exit 7", nullptr);
          _exit(1);
        }
        EXPECT_EQ(ExitStatusOf(child), 7);
      });
    }
    // Those go on meanwhile, and so does everything in the parent.
    Gosched();
    stop = true;
    wg.Wait();
  });
}

TEST(Fork, AProcessWithoutRuntimeAndOtherThreadsGoesOnAsTwo) {
  RunWith(2, [] { Gosched(); });  // a Runtime that has ended is none
  const pid_t child = fork();
  const auto use = [] {
    int64_t sum = 0;
    RunWith(2, [&] {
      const auto c = MakeChan<int>();
      Go([c] {
        for (int i = 1; i <= 100; ++i) c.Send(i);
        c.Close();
      });
      for (int v : c) sum += v;
    });
    return sum == 5050;
  };
  if (child == 0) _exit(use() ? 7 : 1);
  EXPECT_TRUE(use());
  EXPECT_EQ(ExitStatusOf(child), 7);
}

}  // namespace
}  // namespace mpg
