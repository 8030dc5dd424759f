#include "runtime/deadlock.h"

#include <dirent.h>

#include "base/panic.h"
#include "base/park.h"
#include "runtime/sched.h"
#include "runtime/switch/fiber_san.h"

namespace mpg {
namespace internal {
namespace {

int ThreadsOfProcess() {
  DIR* dir = opendir("/proc/self/task");
  if (dir == nullptr) return -1;
  int n = 0;
  while (const dirent* entry = readdir(dir)) n += entry->d_name[0] != '.';
  closedir(dir);
  return n;
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
  int64_t n = ParkedThreads() + kSanitizerThreads;
  bool busy = false;
  ForEachSched([&](Sched* s) {
    // Ms: all asleep, idle or waiting for their locked goroutine.
    const int threads = s->nthreads.load();
    if (s->idle_ps.Count() != s->gomaxprocs.load() ||
        s->nmidle.load() + s->nmlockedidle.load() != threads ||
        !s->runq.Empty() || !s->spill.Empty() || s->foreign_calls.load() != 0) {
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
  const uint64_t before = s->Switches();
  const int64_t live = s->LiveGoroutines();
  const bool main_left = s->m0.load() != nullptr && s->main_goexited.load();
  if (live == 0 && !main_left) return false;
  const int64_t helpless = HelplessThreads();
  if (helpless < 0 || helpless < ThreadsOfProcess()) return true;
  // A second look: nothing may have moved while the first was taken.
  if (HelplessThreads() != helpless || s->Switches() != before) return true;
  if (live == 0) {
    FatalError("no goroutines (main called runtime.Goexit) - deadlock!");
  }
  FatalError("all goroutines are asleep - deadlock!");
}

}  // namespace internal
}  // namespace mpg
