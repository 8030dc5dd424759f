// G: a goroutine. Go: type g (runtime2.go).
//
// Life. NewG takes a descriptor from the processor's free list and the caller
// builds the closure in it; Spawn queues it. It has no stack until it first
// runs. When the closure returns, the stack goes to the next new goroutine or
// to the stack cache, and the descriptor back to the free list. Descriptors
// are never unmapped while their Sched lives, so a stale pointer reads a dead
// or another goroutine, never a hole.
//
// Who owns a G, by status (only the owner writes its fields):
//
//   status      owner                           where it is queued
//   kIdle       who is building it              nowhere
//   kRunnable   the queue it is on              a run queue, runnext, global
//   kRunning    its M, m->curg == g             nowhere
//   kSyscall    its M                           nowhere
//   kWaiting    who will call Ready             what it waits for, if anything
//   kPreempted  its M, asleep in a handler      as if locked to that M
//   kDead       a free list                     P's or Sched's free list
#ifndef MPG_RUNTIME_G_H_
#define MPG_RUNTIME_G_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/cacheline.h"
#include "base/park.h"
#include "runtime/labels.h"
#include "runtime/owner_cell.h"
#include "runtime/spawn.h"
#include "runtime/stack/stack.h"
#include "runtime/switch/eh_state.h"
#include "runtime/switch/fiber_san.h"
#include "runtime/switch/switch.h"

namespace mpg {
namespace internal {

struct M;
struct Sched;

// Go: _Gidle, ... (runtime2.go); the numbers are Go's, since schedtrace
// prints them.
enum class GStatus : uint8_t {
  kIdle = 0,
  kRunnable = 1,
  kRunning = 2,
  kSyscall = 3,
  kWaiting = 4,
  kDead = 6,
  kPreempted = 9,
};

// Go's word for a status, as goroutine dumps show it.
absl::string_view GStatusName(GStatus status);

// What differs from an ordinary goroutine and sends a switch the slow way
// round, through g0, where there is time to look.
enum GFlags : uint8_t {
  kGFlagLocked = 1,        // lockedm != nullptr
  kGFlagOwnStackSize = 2,  // extra->stacks != nullptr
  kGFlagBubble = 4,        // extra->bubble != nullptr
  kGFlagInHandler = 8,     // its M, g->m, sleeps in a signal handler for it
  kGFlagTimed = 16,        // runnable, and runnable_since says since when
};

// SanFiber, empty without a sanitizer, is a base so that it takes no room.
struct alignas(kCacheLineSize) G : Waiter, SanFiber {
  explicit G(const WaiterOps* o) : Waiter(o), deep(false), calls_lost(0) {}

  // First line: what a switch to or from the goroutine and Ready touch.
  Context ctx;             // of a goroutine that is not running
  M* m = nullptr;          // the M that runs it
  G* schedlink = nullptr;  // run queues, free lists

  // Second line.
  EhState eh;               // C++ exception state while not running
  int32_t saved_errno = 0;  // errno while not running
  std::atomic<GStatus> status{GStatus::kIdle};
  uint8_t flags = 0;       // GFlags
  uint8_t deep : 1;        // was far down its stack when it parked
  uint8_t calls_lost : 2;  // see Sched::kCallsLost; owner
  uint8_t async_off = 0;   // AsyncPreemptOff scopes
  Stack stack;             // empty until the first run
  Sched* sched = nullptr;
  // Where it is parked; valid while kWaiting (but for `site`, only once it has left
  // its P), and while kRunnable after that: null if it became runnable in another
  // way. Go: waitreason, waitunlockf, waitlock.
  const ParkSite* site = nullptr;
  void* site_arg = nullptr;
  union {
    RuntimeLock* park_lock = nullptr;  // until it has left its stack
    int64_t runnable_since;            // with kGFlagTimed: see latency.h
  };

  // Third and fourth line: what is touched at its birth and death.
  int64_t goid = 0;
  int64_t parent_goid = 0;
  const void* gopc = nullptr;      // where it was created
  OwnerCell<M*> lockedm;           // LockOSThread; read by dumps
  struct GExtra* extra = nullptr;  // rarely used things; null for most
  union {
    G* batch_link = nullptr;  // CentralFreeList; of a dead one
    // Of a live one. Its owner's, or changed under SchedTrace::mu. A trace knows
    // the goroutine if the epoch is the trace's: bit 31 is set in those, so the
    // upper half of a batch_link is none, and a death makes it 0.
    struct {
      uint32_t seq;  // of its events in this generation
      uint32_t epoch;
    } trace;
  };
  ClosureSlot fn;

  SanFiber* San() { return this; }
  const SanFiber* San() const { return this; }

  GStatus Status() const {
    // relaxed: the owner reads its own write; others (dumps, statistics) take
    // a snapshot that may be old.
    return status.load(std::memory_order_relaxed);
  }
};

#if !defined(MPG_ASAN) && !defined(MPG_TSAN)
static_assert(sizeof(G) == 4 * kCacheLineSize, "a million of them count");
#endif

// The goroutine that a closure slot is part of.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"  // no virtual bases here
inline G* GOf(ClosureSlot* slot) {
  return reinterpret_cast<G*>(reinterpret_cast<char*>(slot) - offsetof(G, fn));
}
#pragma GCC diagnostic pop

// What few goroutines have. Owned by the G, freed when it ends.
struct GExtra {
  std::string name;                        // GoOptions::name
  struct OwnSizeStacks* stacks = nullptr;  // GoOptions::stack_size
  int locked_count = 0;                    // LockOSThread calls not undone
  bool goexit = false;                     // Goexit is unwinding it
  class Bubble* bubble = nullptr;          // fake_time.h
  pprof::LabelSet labels;                  // labels.h
};

// Changes g's status, which must be `from`. Go: casgstatus. A plain store, not
// a compare-and-swap: each status has one owner, and only the owner changes
// it; debug builds check.
void BadGStatus(const G* g, GStatus from, GStatus to);

inline void SetGStatus(G* g, GStatus from, GStatus to) {
#ifndef NDEBUG
  if (g->Status() != from) BadGStatus(g, from, to);
#else
  (void)from;
#endif
  // release: pairs with the acquire in AbandonAll and in dumps, which want what the
  // owner wrote before. Free on x86-64.
  g->status.store(to, std::memory_order_release);
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_G_H_
