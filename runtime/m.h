// M: an OS thread that runs goroutines. Go: type m (runtime2.go).
//
// Each M has a g0: the context of the thread's own stack, on which the M looks
// for work when a goroutine could not pick its successor itself, and sleeps.
#ifndef MPG_RUNTIME_M_H_
#define MPG_RUNTIME_M_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/note.h"
#include "runtime/g.h"
#include "runtime/owner_cell.h"
#include "runtime/p.h"
#include "trace/trace_stream.h"

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

// A preempted goroutine's M sleeps in the signal's handler (preempt.cc).
enum class AsleepInHandler : uint32_t {
  kNo,
  kAsleep,  // who changes it to kWoken owns M::nextp and wakes it
  kWoken,
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
  const int32_t* locks = nullptr;  // ThreadState::locks of this thread
  G* picked = nullptr;             // chosen by a goroutine for g0 to run next
  // A goroutine of this M uses its P, which a signal must not take away now: see
  // UsingP.
  bool using_p = false;
  // Where its events go while it has a P; null: there is no trace. See
  // trace_sched.h.
  TraceStream* trace = nullptr;
  // Where the goroutine in a system call entered it; while it is kSyscall.
  // Go: g.syscallsp, syscallbp, syscallpc.
  Context call;
  // When that was, if EnterSyscall gave the P away at once; else 0.
  int64_t call_began = 0;

  G g0;
  const int64_t id;
  Sched* const sched;
  OwnerCell<bool> spinning;  // out of work, looking for more
  bool end_thread = false;   // its locked goroutine has ended: so does it
  bool is_m0 = false;        // the thread of Runtime::Run; never ends by itself
  bool retired = false;      // m0 that only waits for the end of Run
  std::atomic<AsleepInHandler> in_handler{AsleepInHandler::kNo};
  P* nextp = nullptr;  // written by the waker before Note::Wakeup
  Note park;
  bool locked_asleep = false;  // Sched::mu: in StopLockedM
  bool left = false;  // Sched::mu: its thread no longer runs goroutines
  std::atomic<MState> state{MState::kActive};
  std::atomic<M*> idle_link{nullptr};  // Sched::idle_ms
  int32_t tid = 0;
  // How often the kernel has taken its core away, as it was last asked (net_sched.cc).
  struct SwitchedOut {
    int64_t times = 0;
    int64_t at = 0;
  } switched_out;
  std::unique_ptr<TraceStream> trace_stream;  // Sched::mu; made when needed
};

// Marks where code on a goroutine's stack uses the P of its M. A signal that
// preempts takes the P away, and gives the goroutine another one later; between
// the two the goroutine does not run, so it is enough that it does not keep a P*
// across. While the goroutine's status is not kRunning no mark is needed.
// Does not nest; nothing in it may park.
class UsingP {
 public:
  explicit UsingP(M* m) : m_(m) {
    m_->using_p = true;
    // The handler runs on this thread: the compiler must keep the order.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  ~UsingP() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    m_->using_p = false;
  }
  UsingP(const UsingP&) = delete;
  UsingP& operator=(const UsingP&) = delete;

 private:
  M* const m_;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_M_H_
