// P: a processor, the right to run goroutines, with what a running goroutine
// needs at hand: a run queue, free descriptors, hot stacks. Go: type p
// (runtime2.go). An M must hold a P to run goroutines.
//
// Who owns a P, by status (only the owner uses what is marked so below):
//   kIdle      the idle mask; whoever takes its bit becomes the owner
//   kRunning   the M that holds it, p->m->p == p
//   kSyscall   whoever changes it first: the M that comes back from the call,
//              sysmon, a stopper of the world, another M back from its call
//   kGcstop    who stopped the world
//   kDead      nobody: GOMAXPROCS went down
#ifndef MPG_RUNTIME_P_H_
#define MPG_RUNTIME_P_H_

#include <atomic>
#include <cstdint>

#include "base/cacheline.h"
#include "base/random.h"
#include "queue/free_list.h"
#include "queue/runq.h"
#include "runtime/g.h"
#include "runtime/net_pace.h"
#include "runtime/owner_cell.h"
#include "runtime/stack/stack.h"
#include "runtime/time_histogram.h"
#include "runtime/timers.h"

namespace mpg {
namespace internal {

// Go: _Pidle, ...; the numbers are Go's, since schedtrace prints them.
enum class PStatus : uint8_t {
  kIdle = 0,
  kRunning = 1,
  kSyscall = 2,
  kGcstop = 3,
  kDead = 4,
};

using GFree = CentralFreeList<G, &G::schedlink, &G::batch_link, 32>;

// Go's ring holds 256. Ours is larger: a goroutine that yields goes to its end
// and not to the global queue, so a thousand goroutines that take turns should
// fit; and a batch spilled to the global queue shares one lock among more.
using LocalQueue = RunQueue<G, 1024>;
// New and readied goroutines spill from here on: those that are spilled last come
// back first, so a tree of goroutines goes deeper, with fewer stacks alive.
// Measured at 1 P, limits 64 / 256 / 1024: fib_par 102 / 187 / 250 ns a spawn,
// skynet 194 / 249 / 289 ms; 32 and 16 cost spawn_batch more than they save.
inline constexpr int kSpawnLimit = 64;

struct MPG_CACHELINE_ALIGNED P {
  P(int p_id, Sched* s, GFree* gfree_central, StackPool* pool, uint64_t seed)
      : id(p_id),
        until_timed(1 + static_cast<uint32_t>(seed % 128)),
        sched(s),
        timers(this),
        rand(seed),
        gfree(gfree_central),
        stacks(pool) {}

  void CountSwitch() { switches = switches + 1; }  // owner

  const int id;
  // Goroutines to become runnable here before one is timed (latency.h); owner.
  uint32_t until_timed;
  Sched* const sched;
  OwnerCell<M*> m;  // back-link
  // Counts the goroutines that left this P: parked, gave way, were preempted or
  // ended. Not those whose system call let it go.
  OwnerCell<uint64_t> switches;
  // Counts goroutines started or resumed with a time slice of their own.
  OwnerCell<uint32_t> schedtick;
  // Runnext-only wake-ups still to be skipped; owner.
  uint32_t wake_skip = 0;
  // Sends the next switch through g0, which looks at Sched and at
  // run_safe_point for the reason. Set by any thread after the reason; cleared
  // by the owner before it looks. seq_cst on both sides; the owner's look on
  // the fast path is relaxed: whoever set it also asks again.
  std::atomic<bool> interrupt{false};
  std::atomic<bool> run_safe_point{false};  // Go: runSafePointFn
  std::atomic<PStatus> status{PStatus::kGcstop};

  // A timer was added that nobody keeps the time for: to be seen to if this P
  // goes on running goroutines; owner.
  bool wants_keeper = false;
  PTimers timers;  // up to here what each switch touches

  // Counts system calls, when their M comes back or has lost the P; owner.
  OwnerCell<uint64_t> syscalltick;
  FastRand rand;          // owner
  int64_t goid_next = 0;  // owner; Go: goidcache
  int64_t goid_end = 0;
  G* g_bump = nullptr;  // owner: descriptors never used so far
  G* g_bump_end = nullptr;
  GFree::Local gfree;    // owner
  StackCache stacks;     // owner
  OwnerCounter created;  // goroutines born here
  OwnerCounter ended;    // goroutines that ended here
  OwnerCounter steals;   // goroutines' batches taken from others
  OwnerCounter yields;   // goroutines that gave way because they were asked to
  OwnerCounter signalled;   // goroutines that a signal has preempted
  OwnerCounter net_ready;   // goroutines that the network has readied
  NetPace net_pace;         // owner
  TimeHistogram latencies;  // from runnable to running, of those timed
  LocalQueue runq;
  uint32_t trace_seq = 0;  // of its events in this generation of a trace; owner
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_P_H_
