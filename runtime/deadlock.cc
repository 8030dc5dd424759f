#include "runtime/deadlock.h"

#include <sys/stat.h>

#include "base/panic.h"
#include "base/park.h"
#include "runtime/debug_threads.h"
#include "runtime/quit.h"
#include "runtime/sched.h"
#include "runtime/signal_handler.h"
#include "runtime/switch/fiber_san.h"
#include "runtime/timer_service.h"

namespace mpg {
namespace internal {
namespace {

int ThreadsOfProcess() {
  // A directory has 2 links and one for each directory in it: one system call
  // instead of reading it.
  struct stat info;
  if (stat("/proc/self/task", &info) != 0 || info.st_nlink <= 2) return -1;
  return static_cast<int>(info.st_nlink) - 2;
}

// ThreadSanitizer has a thread of its own, which wakes nobody.
#if defined(MPG_TSAN)
constexpr int kSanitizerThreads = 1;
#else
constexpr int kSanitizerThreads = 0;
#endif

// How many threads of the process sleep in mpg: they cannot wake anybody.
// -1: some Sched is at work.
int64_t HelplessThreads() {
  int64_t n = ParkedThreads() + kSanitizerThreads + IdleServiceThreads() +
              IdleSignalThreads();
  n += IdleQuitThreads() + IdleDebugThreads() + IdleTraceThreads();
  bool busy = false;
  ForEachSched([&](Sched* s) {
    // Ms: all asleep, idle, keeping the time or waiting for their locked
    // goroutine.
    const int threads = s->nthreads.load();
    if (s->idle_ps.Count() != s->gomaxprocs.load() ||
        s->nmidle.load() + s->nmlockedidle.load() + s->keeper.Kept() !=
            threads ||
        !s->runq.Empty() || !s->spill.Empty() || s->foreign_calls.load() != 0 ||
        s->KeeperTime() != TimerHeap::kNever) {
      busy = true;
    }
    n += threads + 1 /* sysmon */;
    // Who waits for goroutines when there are none is about to go on.
    if (s->LiveGoroutines() != 0) n += s->waiters.load();
  });
  return busy ? -1 : n;
}

}  // namespace

bool CheckDead(Sched* s) {
  // Something will happen, and a new period of idleness begin after it.
  if (s->KeeperTime() != TimerHeap::kNever) return false;
  const uint64_t before = s->Switches();
  const int64_t live = s->LiveGoroutines();
  const bool main_left = s->m0.load() != nullptr && s->main_goexited.load();
  if (live == 0 && !main_left) return false;
  const int64_t helpless = HelplessThreads();
  const int threads = ThreadsOfProcess();
  if (helpless < 0 || threads < 0 || helpless < threads) return true;
  // A second look: nothing may have moved while the first was taken.
  if (HelplessThreads() != helpless || s->Switches() != before) return true;
  if (live == 0) {
    FatalError("no goroutines (main called runtime.Goexit) - deadlock!");
  }
  FatalError("all goroutines are asleep - deadlock!");
}

}  // namespace internal
}  // namespace mpg
