// Goroutines wired to a thread. Go: lockOSThread, stoplockedm, startlockedm
// (proc.go).
#include <utility>

#include "base/panic.h"
#include "runtime/goroutine.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {

// m's locked goroutine has left it: gives the P away and sleeps until that
// goroutine is to run again. False: m is to leave.
bool Sched::StopLockedM(M* m) {
  if (m->p.Get() != nullptr) HandoffP(ReleaseP(m));
  nmlockedidle.fetch_add(1);
  {
    RuntimeLockGuard guard(mu);
    m->locked_asleep = true;
  }
  // ~Sched sets `stopping` and then wakes whom it sees asleep here, the end of
  // Run likewise: they see us, or we see them.
  if (!MustLeave(m)) m->park.Sleep();
  nmlockedidle.fetch_sub(1);
  {
    // StartLockedM writes nextp under mu, and not after `left`. Nobody signals
    // the note after this: StopM, which sleeps on it too, relies on that.
    RuntimeLockGuard guard(mu);
    m->locked_asleep = false;
    m->park.Clear();
    m->left = m->nextp == nullptr;
  }
  if (m->left) return false;
  AcquireP(m, std::exchange(m->nextp, nullptr));
  m->picked = m->lockedg;
  return true;
}

// Hands m's P to the thread that g is wired to; m holds none afterwards.
void Sched::StartLockedM(M* m, G* g) {
  P* p = ReleaseP(m);
  M* target = g->lockedm;
  {
    RuntimeLockGuard guard(mu);
    if (!target->left) {
      target->nextp = p;
      target->park.WakeupIfClear();
      return;
    }
  }
  // Its thread was that of a Run that has returned: the goroutine can never
  // run again and waits for the Runtime's end. It has been readied already, so
  // there is nothing for AbandonAll to do.
  ForgetReadied(g);
  g->site = nullptr;
  SetGStatus(g, GStatus::kRunnable, GStatus::kWaiting);
  g->trace = {};  // runnable for ever, if a trace has seen it
  HandoffP(p);
}

}  // namespace internal

void LockOSThread() {
  internal::G* g = internal::CurrentGOrPanic();
  internal::GExtra* extra = internal::ExtraOf(g);
  if (++extra->locked_count == 0) {
    --extra->locked_count;
    throw Panic("LockOSThread nesting overflow");
  }
  g->lockedm = g->m;
  g->m->lockedg = g;
  g->flags |= internal::kGFlagLocked;
}

void UnlockOSThread() {
  internal::G* g = internal::CurrentGOrPanic();
  if (g->extra == nullptr || g->extra->locked_count == 0) return;
  if (--g->extra->locked_count > 0) return;
  g->flags &= ~internal::kGFlagLocked;
  g->m->lockedg = nullptr;
  g->lockedm = nullptr;
}

}  // namespace mpg
