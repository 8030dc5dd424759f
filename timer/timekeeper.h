// Timekeeper: at most one thread that sleeps until the earliest of all timers.
//
// Timers are put into heaps by many threads; one of those that have nothing else
// to do keeps the time for all. Who adds a timer earlier than what the keeper
// sleeps for wakes it.
//
//   idle thread:   if (keeper.Keep(earliest, leave)) run what is due;
//   adder:         heap.Start(t, when);  if (!keeper.WakeFor(when)) get one;
//
// No timer is missed. The adder publishes its timer and then looks at the keeper's
// time; the keeper publishes its time and then looks at the timers; all seq_cst.
// So either the adder sees the keeper's later time, and wakes it, or the keeper
// sees the timer. An adder that sees no keeper (WakeFor returns false) must see
// to it that some thread comes to Keep, if any is idle.
//
// Thread safety: any thread. Keep sleeps the OS thread; WakeFor does not block.
// Source: Go's sched.pollUntil and wakeNetPoller (proc.go), where the keeper is
// the thread in the network poller.
#ifndef MPG_TIMER_TIMEKEEPER_H_
#define MPG_TIMER_TIMEKEEPER_H_

#include <atomic>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "base/note.h"

namespace mpg {

class Timekeeper {
 public:
  // What `earliest` returns when there is no timer: TimerHeap::kNever.
  static constexpr int64_t kNever = INT64_MAX;

  Timekeeper() = default;
  Timekeeper(const Timekeeper&) = delete;
  Timekeeper& operator=(const Timekeeper&) = delete;

  // Sleeps until NanoTime() reaches earliest() (up to 50 us longer if the keeper
  // woke for a timer as little before that), which is asked again whenever
  // somebody wakes the keeper. Returns false at once if another thread keeps the
  // time (that one is told if it sleeps for too long) or there is no timer, and
  // false when the last timer is gone or leave() is true; true when a timer is
  // due. The caller keeps the time no more when this returns, and whoever has
  // added a timer meanwhile may have relied on it: if timers are left and there
  // are other idle threads, one of them should be made to come to Keep.
  bool Keep(absl::FunctionRef<int64_t()> earliest,
            absl::FunctionRef<bool()> leave);

  // There is a timer due at `when` now (0: wake it in any case). False: nobody
  // keeps the time.
  bool WakeFor(int64_t when);

  // Somebody keeps the time, or is just looking whether it must.
  bool Kept() const { return until_.load() != kNobody; }

 private:
  static constexpr int64_t kNobody = -1;
  // The keeper has been woken and is to look again.
  static constexpr int64_t kWoken = -2;

  bool Watch(int64_t* published, absl::FunctionRef<int64_t()> earliest,
             absl::FunctionRef<bool()> leave);
  void Consume(int64_t published);
  void Resign(int64_t published);

  // Until when the keeper sleeps. Changed from a time by the keeper, or to
  // kWoken by who wakes it, who then signals note_.
  std::atomic<int64_t> until_{kNobody};
  int64_t last_wake_ = 0;  // the keeper's
  Note note_;
};

}  // namespace mpg

#endif  // MPG_TIMER_TIMEKEEPER_H_
