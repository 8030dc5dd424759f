// Fake time, for tests of what waits for time: a bubble of goroutines whose clock
// moves only when all of them are blocked. Go: testing/synctest (Go 1.25).
//
//   TEST(Lease, ExpiresAfterAnHour) {
//     mpg::RunWithFakeTime([] {
//       Lease lease(absl::Hours(1));
//       mpg::Sleep(absl::Minutes(59));
//       EXPECT_TRUE(lease.valid());
//       mpg::Sleep(absl::Minutes(1));
//       mpg::FakeTimeWait();             // for what expires at this very moment
//       EXPECT_FALSE(lease.valid());
//     });
//   }
//
// takes microseconds, and the clock is always exactly where it should be.
//
// In the bubble are fn's goroutine and all that are started in it, directly or by
// timers. For them Now, Sleep, Timer, Ticker, After, AfterFunc and deadlines go by
// the bubble's clock, which begins at midnight UTC 2000-01-01. It stands still as
// long as one of them runs or is blocked on a Mutex or RWMutex; when all others
// are blocked (channel, select, Cond, WaitGroup, semaphore, Sleep) it jumps to the
// next timer.
//
// The bubble must keep to itself: a goroutine that waits for a channel from
// outside counts as blocked, and time moves on. A timer belongs to the clock it was
// made with. absl::Now, NanoTime and the system know no bubble.
//
// Errors: if all goroutines are blocked and there is no timer, the program ends
// with "fatal error: deadlock: all goroutines in bubble are blocked" and the
// goroutine dump; after fn has returned, with "fatal error: deadlock: main bubble
// goroutine has exited but blocked goroutines remain". A panic in the bubble ends
// the program as ever.
#ifndef MPG_RUNTIME_FAKE_TIME_H_
#define MPG_RUNTIME_FAKE_TIME_H_

#include "absl/functional/any_invocable.h"

namespace mpg {

// Runs fn in a goroutine in a new bubble; returns when all its goroutines have
// ended. Timers that are left are dropped. From a goroutine: in its Runtime. From
// a plain thread: in a Runtime of its own, with options from the environment.
// Throws Panic if called in a bubble. Go: synctest.Test.
void RunWithFakeTime(absl::AnyInvocable<void()> fn);

// Blocks until all other goroutines of the caller's bubble are blocked, at this
// moment of its clock. By one goroutine at a time. Throws Panic outside a bubble.
// Go: synctest.Wait.
void FakeTimeWait();

}  // namespace mpg

#endif  // MPG_RUNTIME_FAKE_TIME_H_
