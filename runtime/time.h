// Time for goroutines: Sleep, Timer, Ticker, After, AfterFunc. Go: package time.
//
//   mpg::Sleep(absl::Milliseconds(10));
//
//   mpg::Timer timeout(absl::Seconds(1));
//   mpg::Select(mpg::OnRecv(work, ...),
//               mpg::OnRecv(timeout.C(), [](auto) { ... }));
//
//   mpg::Ticker ticker(absl::Seconds(1));
//   for (absl::Time t : ticker.C()) ...
//
// Semantics are those of Go 1.23. After Stop or Reset has returned, no value of
// an earlier setting is received from C. A Timer or Ticker that nobody refers to
// any more, neither by a handle nor by C, is stopped and costs nothing.
//
// A duration <= 0 has passed already. Infinite durations, and those beyond the 73
// years that the clock has room for, never pass. Time is CLOCK_MONOTONIC: setting
// the wall clock moves no timer, and suspend does not count. No timer fires early.
// The value received is the wall clock's time when it fired.
//
// Thread safety: all functions from any goroutine or thread, on the same timer
// too. On a plain thread they work without a Runtime: one thread of the process
// then keeps the time, and functions run in threads of their own.
// The timers of a Runtime that has ended: functions do not run, channels receive
// as ever.
// Costs: starting, stopping and resetting neither block nor make a system call,
// except to wake a thread that would sleep for too long.
#ifndef MPG_RUNTIME_TIME_H_
#define MPG_RUNTIME_TIME_H_

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "channel/chan.h"

namespace mpg {

// absl::Now(), except under fake time (fake_time.h), where it is that. Go:
// time.Now.
absl::Time Now();

// Blocks the goroutine (or the thread) for at least d. Go: time.Sleep.
void Sleep(absl::Duration d);

namespace internal {

struct FuncTimer;

// A counted reference to a timer with a function.
class FuncTimerRef {
 public:
  FuncTimerRef() = default;
  explicit FuncTimerRef(FuncTimer* t)
      : t_(t) {}  // takes the caller's reference
  FuncTimerRef(const FuncTimerRef& other);
  FuncTimerRef(FuncTimerRef&& other) noexcept
      : t_(std::exchange(other.t_, nullptr)) {}
  FuncTimerRef& operator=(FuncTimerRef other) noexcept {
    std::swap(t_, other.t_);
    return *this;
  }
  ~FuncTimerRef();
  FuncTimer* get() const { return t_; }

 private:
  FuncTimer* t_ = nullptr;
};

}  // namespace internal

// Fires once. A handle: copies are the same timer. Go: time.Timer.
class Timer {
 public:
  // No timer: Stop and Reset throw Panic, C is the nil channel.
  Timer() = default;
  // Sends the time on C after d. Go: time.NewTimer.
  explicit Timer(absl::Duration d);
  // Runs fn in a goroutine of its own after d. C is the nil channel. The timer
  // goes on if the handle is dropped; fn is destroyed when the last handle is
  // gone and it cannot run any more. Go: time.AfterFunc.
  static Timer AfterFunc(absl::Duration d, absl::AnyInvocable<void()> fn);

  // Holds one value at most.
  RecvChan<absl::Time> C() const { return c_; }
  // The timer does not fire. False: it has fired (the value was received, or fn
  // was started and perhaps runs still) or was stopped before.
  bool Stop() const;
  // The timer fires after d, as if new. True: it was pending. With a function
  // that is still running, both runs go on at the same time.
  bool Reset(absl::Duration d) const;

 private:
  RecvChan<absl::Time> c_;       // of a timer with a channel
  internal::FuncTimerRef func_;  // of one with a function
};

// Sends the time on C every d, from d after now on, without drifting. A tick that
// finds the last one not yet received is dropped. A handle: copies are the same
// ticker. Go: time.Ticker.
class Ticker {
 public:
  // No ticker: Reset throws Panic, Stop does nothing, C is the nil channel.
  Ticker() = default;
  // Throws Panic if d <= 0: "non-positive interval for NewTicker".
  explicit Ticker(absl::Duration d);

  RecvChan<absl::Time> C() const { return c_; }
  // No more ticks. Does not close C.
  void Stop() const;
  // Another period; the next tick comes d after now. Also starts a ticker that
  // was stopped. Throws Panic if d <= 0.
  void Reset(absl::Duration d) const;

 private:
  RecvChan<absl::Time> c_;
};

// Timer(d).C(): receives once, after d. Go: time.After.
RecvChan<absl::Time> After(absl::Duration d);
// Ticker(d).C(), for those who never stop it; the nil channel if d <= 0. Go:
// time.Tick.
RecvChan<absl::Time> Tick(absl::Duration d);
// Timer::AfterFunc.
Timer AfterFunc(absl::Duration d, absl::AnyInvocable<void()> fn);

}  // namespace mpg

#endif  // MPG_RUNTIME_TIME_H_
