#include "runtime/signal_handler.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

#include <deque>

#include "runtime/overflow.h"
#include "runtime/preempt.h"

namespace mpg {
namespace internal {

SignalInbox signal_inbox;

namespace {

using Action = struct sigaction;

// What our handler calls for signals that are not wanted. Each points to what is
// never changed nor freed.
std::atomic<const Action*> below[kMaxSignal + 1];

// Under the one-caller rule of the functions that change actions.
struct Taken {
  enum How : uint8_t { kNot, kCaught, kIgnored };
  How how = kNot;
  // Somebody has put a handler over ours, which may call ours for ever.
  bool buried = false;
  Action before = {};
};
Taken taken[kMaxSignal + 1];

// The program's own instructions have caused it: nothing to send to anybody.
bool IsFault(int signal, const siginfo_t* info) {
  // si_code: positive if the kernel has a reason of its own.
  return (SignalBit(signal) & FaultSignals()) != 0 && info->si_code > 0;
}

// Nothing happens by default.
bool IsHarmless(int signal) {
  return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG ||
         signal == SIGWINCH;
}

void TakeDefaultAction(int signal, const siginfo_t* info) {
  if (IsHarmless(signal)) return;
  Action action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  // A fault happens again as soon as the handler has returned. Another signal
  // comes, if it is blocked now, as soon as it is no longer.
  if (!IsFault(signal, info)) raise(signal);
}

void PassOn(int signal, siginfo_t* info, void* context) {
  const Action* const action = below[signal].load();
  if ((action->sa_flags & SA_SIGINFO) != 0) {
    action->sa_sigaction(signal, info, context);
  } else if (action->sa_handler == SIG_DFL) {
    TakeDefaultAction(signal, info);
  } else if (action->sa_handler != SIG_IGN) {
    action->sa_handler(signal);
  }
}

void OnSignal(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  signal_inbox.Enter();
  const bool relay = signal_inbox.Wants(signal) && !IsFault(signal, info) &&
                     !IsPreemptSignal(signal, info);
  if (relay) signal_inbox.Post(SignalBit(signal));
  // The handler below may stay for long, or never return.
  signal_inbox.Leave();
  if (!relay) PassOn(signal, info, context);
  errno = saved_errno;
}

Action OurAction(int signal) {
  Action action = {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  if ((SignalBit(signal) & FaultSignals()) != 0) {
    action.sa_flags |= SA_NODEFER;  // as runtime/overflow.cc
  } else if (signal != SIGURG) {
    // One at a time: the signal stack has room for few. In SIGURG's handler a
    // goroutine may sleep.
    sigfillset(&action.sa_mask);
  }
  return action;
}

bool IsOurs(const Action& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == OnSignal;
}

bool SameHandler(const Action& a, const Action& b) {
  if (((a.sa_flags ^ b.sa_flags) & SA_SIGINFO) != 0) return false;
  return (a.sa_flags & SA_SIGINFO) != 0 ? a.sa_sigaction == b.sa_sigaction
                                        : a.sa_handler == b.sa_handler;
}

void SetBelow(int signal, const Action& action) {
  // A handler on another thread may be reading an old one.
  static auto* const kept = new std::deque<Action>;
  const Action* const old = below[signal].load();
  if (old != nullptr && SameHandler(*old, action)) return;
  kept->push_back(action);
  below[signal].store(&kept->back());
}

Action CurrentAction(int signal) {
  Action action = {};
  sigaction(signal, nullptr, &action);
  return action;
}

void NoteBefore(int signal) {
  Taken& t = taken[signal];
  if (t.how != Taken::kNot) return;
  const Action now = CurrentAction(signal);
  if (IsOurs(now)) return;  // who had buried it has restored it
  t.before = now;
  // A handler that has buried ours may call ours: ours must not call it.
  if (!t.buried) SetBelow(signal, now);
}

}  // namespace

SignalSet CatchableSignals() {
  SignalSet set = ~SignalSet{0} & ~SignalBit(SIGKILL) & ~SignalBit(SIGSTOP);
  for (int s = 32; s < SIGRTMIN; ++s) set &= ~SignalBit(s);
  return set;
}

SignalSet FaultSignals() {
  return SignalBit(SIGSEGV) | SignalBit(SIGBUS) | SignalBit(SIGFPE) |
         SignalBit(SIGILL) | SignalBit(SIGTRAP) | SignalBit(SIGSYS);
}

void SignalInbox::Post(SignalSet signals) {
  pending_.fetch_or(signals);
  // seq_cst: the thread says that it is asleep before it looks at pending_.
  if (asleep_.load() && asleep_.exchange(false)) note_.Wakeup();
}

SignalSet SignalInbox::Take() {
  for (;;) {
    if (const SignalSet set = pending_.exchange(0)) return set;
    asleep_.store(true);
    if (pending_.load() == 0 || !asleep_.exchange(false)) {
      note_.Sleep();
      note_.Clear();
    }
  }
}

void SignalInbox::AwaitHandlers() const {
  while (delivering_.load() != 0) sched_yield();
}

void CatchSignal(int signal) {
  // Ours goes above the runtime's own, for good.
  if (signal == SIGSEGV || signal == SIGBUS) InstallOverflowHandler();
  if (signal == SIGURG) InstallPreemptHandler();
  NoteBefore(signal);
  taken[signal].how = Taken::kCaught;
  const Action action = OurAction(signal);
  sigaction(signal, &action, nullptr);
}

void IgnoreSignal(int signal) {
  NoteBefore(signal);
  taken[signal].how = Taken::kIgnored;
  Action action = {};
  action.sa_handler = SIG_IGN;
  sigaction(signal, &action, nullptr);
}

void RestoreSignal(int signal) {
  Taken& t = taken[signal];
  if (t.how == Taken::kNot) return;
  const Action now = CurrentAction(signal);
  const bool still =
      t.how == Taken::kCaught
          ? IsOurs(now)
          : (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_IGN;
  if (still) {
    sigaction(signal, &t.before, nullptr);
  } else if (t.how == Taken::kCaught) {
    t.buried = true;
  }
  t.how = Taken::kNot;
}

}  // namespace internal
}  // namespace mpg
