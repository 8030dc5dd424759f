// The signal handler of runtime/signal.h: what it tells the signal thread, and
// how it comes to be installed. Internal.
//
// Handler and signal thread share the inbox, which works without locks:
//  H1. the handler counts itself in `delivering`;
//  H2. if the signal is wanted it adds it to `pending` and wakes the thread, else
//      it does what was to be done before Notify;
//  H3. it counts itself out.
//  S1. who no longer wants a signal takes it out of `wanted` and
//  S2. waits until `delivering` is 0: then every signal that was taken for wanted
//      is in `pending`.
// H1 before H2 and S1 before S2, all seq_cst: a handler that S2 does not see sees
// S1, and no signal is swallowed in between. Go: sigsend, signalWaitUntilIdle.
#ifndef MPG_RUNTIME_SIGNAL_HANDLER_H_
#define MPG_RUNTIME_SIGNAL_HANDLER_H_

#include <atomic>
#include <cstdint>

#include "base/note.h"

namespace mpg {
namespace internal {

// A set of signals: bit n - 1 is signal n.
using SignalSet = uint64_t;
inline constexpr int kMaxSignal = 64;

inline constexpr SignalSet SignalBit(int signal) {
  return signal >= 1 && signal <= kMaxSignal ? SignalSet{1} << (signal - 1) : 0;
}

// All that may be caught: not SIGKILL and SIGSTOP, nor the two that are the C
// library's.
SignalSet CatchableSignals();
// Those that the program's own instructions cause.
SignalSet FaultSignals();

class SignalInbox {
 public:
  // No signal: the thread shall look up. (The C library's, which is never caught.)
  static constexpr SignalSet kLookUp = SignalBit(32);

  constexpr SignalInbox() = default;

  // Any thread, and signal handlers.
  void Post(SignalSet signals);
  bool Wants(int signal) const {
    return (wanted_.load() & SignalBit(signal)) != 0;
  }
  void Enter() { delivering_.fetch_add(1); }
  void Leave() { delivering_.fetch_sub(1); }

  // Who changes what is wanted; one at a time.
  SignalSet Wanted() const { return wanted_.load(); }
  void Want(SignalSet signals) { wanted_.store(signals); }
  void AwaitHandlers() const;

  // The signal thread: sleeps until there are some, and takes them.
  SignalSet Take();

 private:
  std::atomic<SignalSet> wanted_{0};
  std::atomic<SignalSet> pending_{0};
  std::atomic<int> delivering_{0};
  std::atomic<bool> asleep_{false};  // who clears it wakes note_
  Note note_;
};

extern SignalInbox signal_inbox;

// What a signal does. One caller at a time.
void CatchSignal(int signal);   // calls the handler
void IgnoreSignal(int signal);  // nothing
void RestoreSignal(
    int signal);  // what it did before the first of the other two

// For deadlock detection: threads of runtime/signal.h that will wake nobody: 1 if
// there is one and no channel is notified.
int IdleSignalThreads();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_SIGNAL_HANDLER_H_
