#include "runtime/signal.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "base/lock.h"
#include "base/note.h"
#include "base/panic.h"
#include "runtime/signal_handler.h"

namespace mpg {
namespace internal {
namespace {

// Who has asked for what, and the thread that sends it.
class SignalService {
 public:
  void Notify(const SendChan<int>& c, SignalSet set) {
    RuntimeLockGuard guard(config_mu_);
    if (!started_.load()) StartThread();
    {
      RuntimeLockGuard mu(mu_);
      Find(c)->mask |= set;
    }
    const SignalSet old = signal_inbox.Wanted();
    // First wanted, then caught: the handler always knows what to do.
    signal_inbox.Want(old | set);
    ForEach(set & ~old, CatchSignal);
    AwaitThread();  // it unblocks them
  }

  void Stop(const SendChan<int>& c) {
    RuntimeLockGuard guard(config_mu_);
    {
      RuntimeLockGuard mu(mu_);
      for (Registration& r : registrations_) {
        if (r.chan == c) r.leaving = r.mask;
      }
    }
    Withdraw();
  }

  // No channel has `set` any more.
  void Reset(SignalSet set) {
    RuntimeLockGuard guard(config_mu_);
    Cancel(set);
    ForEach(set, RestoreSignal);
  }

  void Ignore(SignalSet set) {
    RuntimeLockGuard guard(config_mu_);
    Cancel(set);
    ForEach(set, IgnoreSignal);
  }

  bool started() const { return started_.load(); }

 private:
  struct Registration {
    SendChan<int> chan;
    SignalSet mask = 0;     // what is sent to chan
    SignalSet leaving = 0;  // of mask: what has come until now, and no more
  };

  // f may need locks that the caller holds.
  template <class F>
  static void ForEach(SignalSet set, F&& f) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (int s = 1; s <= kMaxSignal; ++s) {
      if ((set & SignalBit(s)) != 0) f(s);
    }
  }

  void StartThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(config_mu_) {
    // Signals are for the program's own threads; this one unblocks what it needs.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const auto unblock = absl::MakeCleanup(
        [&old] { pthread_sigmask(SIG_SETMASK, &old, nullptr); });
    std::thread([this] { Run(); }).detach();
    // Until this its thread counts as one that might wake somebody.
    started_.store(true);
  }

  Registration* Find(const SendChan<int>& c)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (Registration& r : registrations_) {
      if (r.chan == c) return &r;
    }
    registrations_.emplace_back();
    registrations_.back().chan = c;
    return &registrations_.back();
  }

  void Cancel(SignalSet set) ABSL_EXCLUSIVE_LOCKS_REQUIRED(config_mu_) {
    {
      RuntimeLockGuard mu(mu_);
      for (Registration& r : registrations_) r.leaving = r.mask & set;
    }
    Withdraw();
  }

  // Ends what is leaving. Go: Stop, signalWaitUntilIdle.
  void Withdraw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(config_mu_) {
    const SignalSet old = signal_inbox.Wanted();
    SignalSet rest = 0;
    {
      RuntimeLockGuard mu(mu_);
      for (const Registration& r : registrations_) rest |= r.mask & ~r.leaving;
    }
    const SignalSet lost = old & ~rest;
    signal_inbox.Want(rest);
    if (lost != 0) {
      // The thread blocks them before they can do what they did.
      AwaitThread();
      ForEach(lost, RestoreSignal);
    }
    // What a handler has taken for wanted is sent.
    signal_inbox.AwaitHandlers();
    AwaitThread();
    std::vector<Registration> gone;  // destroyed without mu_
    RuntimeLockGuard mu(mu_);
    for (Registration& r : registrations_) {
      r.mask &= ~std::exchange(r.leaving, 0);
    }
    const auto end = std::stable_partition(
        registrations_.begin(), registrations_.end(),
        [](const Registration& r) { return r.mask != 0; });
    std::move(end, registrations_.end(), std::back_inserter(gone));
    registrations_.erase(end, registrations_.end());
  }

  // Until the thread has seen what is wanted and sent what was pending.
  void AwaitThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(config_mu_) {
    if (!started_.load()) return;
    answer_.Clear();
    signal_inbox.Post(SignalInbox::kLookUp);
    answer_.Sleep();
  }

  // The thread.
  void Run() {
    for (;;) {
      const SignalSet set = signal_inbox.Take();
      const bool look_up = (set & SignalInbox::kLookUp) != 0;
      if (look_up) SetThreadMask();
      Send(set);
      if (look_up) answer_.Wakeup();
    }
  }

  static void SetThreadMask() {
    sigset_t mask;
    sigfillset(&mask);
    ForEach(signal_inbox.Wanted(), [&](int s) { sigdelset(&mask, s); });
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  }

  void Send(SignalSet set) {
    RuntimeLockGuard mu(mu_);
    ForEach(set, [&](int s) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      for (const Registration& r : registrations_) {
        int value = s;
        if ((r.mask & SignalBit(s)) != 0) r.chan.TrySend(value);
      }
    });
  }

  // Held through each change, also while it waits for the thread, which never
  // takes it. Before mu_.
  RuntimeLock config_mu_;
  std::atomic<bool> started_{false};  // the thread; it never ends
  Note answer_;
  RuntimeLock mu_;
  std::vector<Registration> registrations_ ABSL_GUARDED_BY(mu_);
};

std::atomic<const SignalService*> service{nullptr};

SignalService* TheService() {
  static SignalService* const s = [] {
    auto* made = new SignalService;
    service.store(made);
    return made;
  }();
  return s;
}

SignalSet SetOf(absl::Span<const int> signals, SignalSet all) {
  if (signals.empty()) return all & CatchableSignals();
  SignalSet set = 0;
  for (int s : signals) set |= SignalBit(s);
  return set & CatchableSignals();
}

SignalSet OwnUse() { return SignalBit(SIGURG) | SignalBit(SIGPROF); }

}  // namespace

int IdleSignalThreads() {
  const SignalService* s = service.load();
  return s != nullptr && s->started() && signal_inbox.Wanted() == 0 ? 1 : 0;
}

}  // namespace internal

void Notify(SendChan<int> c, absl::Span<const int> signals) {
  if (!c) throw Panic("os/signal: Notify using nil channel");
  const internal::SignalSet set = internal::SetOf(signals, ~internal::OwnUse());
  if (set != 0) internal::TheService()->Notify(c, set);
}

void Stop(SendChan<int> c) { internal::TheService()->Stop(c); }

void Ignore(absl::Span<const int> signals) {
  internal::TheService()->Ignore(internal::SetOf(
      signals, ~internal::OwnUse() & ~internal::FaultSignals()));
}

void Reset(absl::Span<const int> signals) {
  internal::TheService()->Reset(
      internal::SetOf(signals, ~internal::SignalSet{0}));
}

bool Ignored(int signal) {
  struct sigaction action = {};
  return sigaction(signal, nullptr, &action) == 0 &&
         (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace mpg
