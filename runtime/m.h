// M: an OS thread that runs goroutines. Go: type m (runtime2.go).
//
// Each M has a g0: the context of the thread's own stack, on which the M looks
// for work when a goroutine could not pick its successor itself, and sleeps.
#ifndef MPG_RUNTIME_M_H_
#define MPG_RUNTIME_M_H_

#include <atomic>
#include <cstdint>

#include "base/note.h"
#include "runtime/g.h"
#include "runtime/owner_cell.h"
#include "runtime/p.h"

namespace mpg {
namespace internal {

// What must happen once `prev` has left its stack: its successor calls it, on
// its own stack, before anything else.
using AfterSwitchFn = void (*)(M* m, G* prev);

enum class MState : uint32_t {
  kActive,  // owned by its thread
  kIdle,    // on the idle stack, asleep; who changes it to kActive wakes it
  kDead,    // on the idle stack, its thread has ended or is about to
  kLeft,    // m0, on the idle stack, its thread has left with the end of Run
};

struct M {
  M(Sched* s, int64_t m_id, const WaiterOps* g0_ops)
      : g0(g0_ops), id(m_id), sched(s) {}

  // Touched by every switch.
  OwnerCell<P*> p;
  OwnerCell<G*> curg;  // what runs now; &g0 on the thread's own stack
  AfterSwitchFn after = nullptr;
  G* after_g = nullptr;
  OwnerCell<G*> lockedg;  // LockOSThread
  EhState* eh = nullptr;  // __cxa_get_globals() of this thread
  int* errno_place = nullptr;
  G* picked = nullptr;  // chosen by a goroutine for g0 to run next

  G g0;
  const int64_t id;
  Sched* const sched;
  OwnerCell<bool> spinning;  // out of work, looking for more
  bool end_thread = false;   // its locked goroutine has ended: so does it
  bool is_m0 = false;        // the thread of Runtime::Run; never ends by itself
  bool retired = false;      // m0 that only waits for the end of Run
  P* nextp = nullptr;        // written by the waker before Note::Wakeup
  Note park;
  bool locked_asleep = false;  // Sched::mu: in StopLockedM
  bool left = false;  // Sched::mu: its thread no longer runs goroutines
  std::atomic<MState> state{MState::kActive};
  std::atomic<M*> idle_link{nullptr};  // Sched::idle_ms
  int32_t tid = 0;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_M_H_
