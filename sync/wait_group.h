// WaitGroup: waits for a number of goroutines (or threads) to finish.
//
//   WaitGroup wg;
//   for (Job& job : jobs) wg.Go([&job] { job.Run(); });
//   wg.Wait();
//
// Thread safety: all methods from any goroutine or thread, under Go's rules: an
// Add with a positive delta while the counter is zero happens before the Wait
// that it is meant for; a WaitGroup is used again only after all previous Waits
// have returned.
// Memory: what happened before a Done is visible after the Wait it lets return.
// Destruction: allowed as soon as every Wait has returned, even if the Done that
// let it return has not. So a WaitGroup may be a local variable of the function
// that waits. One that is destroyed while somebody waits leaves them waiting for
// ever, as a main function does that returns while its goroutines wait.
// Errors, thrown as Panic: "sync: negative WaitGroup counter", "sync: WaitGroup
// misuse: Add called concurrently with Wait", "sync: WaitGroup is reused before
// previous Wait has returned".
//
// Source: Go's sync.WaitGroup for behaviour. Go parks waiters in the semaphore
// table. Here they hang on the WaitGroup itself, behind a lock that is one bit
// of the counter's word: a Wait that parks and its last Done cost three atomic
// read-modify-writes between them where the table would cost seven.
#ifndef MPG_SYNC_WAIT_GROUP_H_
#define MPG_SYNC_WAIT_GROUP_H_

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/base/optimization.h"
#include "base/closure_origin.h"
#include "base/park.h"

namespace mpg {

class WaitGroup {
 public:
  constexpr WaitGroup() = default;
  ~WaitGroup() {
    // relaxed: nobody else uses it any more.
    if (ABSL_PREDICT_FALSE(Flags(state_.load(std::memory_order_relaxed)))) {
      Detach();
    }
  }
  WaitGroup(const WaitGroup&) = delete;
  WaitGroup& operator=(const WaitGroup&) = delete;

  // Adds delta, which may be negative. If the counter becomes zero, all who wait
  // go on.
  void Add(int delta) {
    PreemptPoint();
    const uint64_t add = static_cast<uint64_t>(int64_t{delta}) << 32;
    // acq_rel: release pairs with the acquire in Wait; acquire, if this is the
    // last, with the release in Commit that published the waiters.
    const uint64_t now = state_.fetch_add(add, std::memory_order_acq_rel) + add;
    if (ABSL_PREDICT_FALSE(Count(now) < 0 || Flags(now))) Changed(now, delta);
  }

  // Add(-1).
  void Done() {
    // acq_rel: as in Add.
    const uint64_t old = state_.fetch_sub(kOne, std::memory_order_acq_rel);
    // Some are left, or one was and nobody waits. From here on *this may be
    // gone unless somebody waits.
    if (ABSL_PREDICT_TRUE(Count(old) > 1 || old == kOne)) return;
    Changed(old - kOne, -1);
  }

  // Blocks until the counter is zero.
  void Wait() {
    // acquire: pairs with the release in Add and Done.
    if (Count(state_.load(std::memory_order_acquire)) != 0) {
      WaitSlow();
    } else {
      PreemptPoint();
    }
  }

  // Runs fn concurrently (a goroutine; a std::thread outside a Runtime) and
  // counts it until it has returned or was left by Goexit. fn is destroyed
  // before it is counted as done.
  template <class F>
  void Go(F&& fn) {
    Add(1);
    DoneAtEnd done{this};  // should starting it throw
    SpawnConcurrent(Task<std::decay_t<F>>{this, std::forward<F>(fn)});
    done.wg = nullptr;
  }

 private:
  // A parked Wait; lives on its stack.
  struct Node {
    Waiter* waiter;
    WaitGroup* wg;
    // The list is a ring that last_ points into. Guarded by the claim.
    Node* next;
    Node* prev;
    uint64_t flag;  // that Commit sets for it, if any
  };

  struct DoneAtEnd {
    WaitGroup* wg;
    ~DoneAtEnd() {
      if (wg != nullptr) wg->Done();
    }
  };

  template <class F>
  struct Task {
    WaitGroup* wg;
    F fn;

    uintptr_t Origin() const { return ClosureOrigin(fn); }
    void operator()() {
      DoneAtEnd done{wg};
      F local = std::move(fn);
      std::move(local)();
    }
  };

  // state_: the counter in the upper half, flags in the lower.
  static constexpr uint64_t kOne = uint64_t{1} << 32;
  // A Wait or an Abandon works on the list. If the counter becomes zero
  // meanwhile, it sees to the waiters, and the last Done just leaves.
  static constexpr uint64_t kClaimed = 1;
  // The list is not empty.
  static constexpr uint64_t kWaiting = 2;
  // It has had more than one node. Without it there is first_ and nothing else,
  // and so the last Done need not fetch the node from the waiter's stack.
  static constexpr uint64_t kMany = 4;

  static int32_t Count(uint64_t state) {
    return static_cast<int32_t>(state >> 32);
  }
  static uint32_t Flags(uint64_t state) { return static_cast<uint32_t>(state); }

  static bool Commit(Waiter* w, void* node);
  static bool Abandon(Waiter* w, void* node);

  void Changed(uint64_t now, int delta);
  void WaitSlow();
  bool Claim(uint64_t* state);
  void Append(Node* node);
  void Unlink(Node* node);
  Node* TakeWaiters();
  static void Wake(Node* first);
  void Detach();

  // Written by all; the lower half only by the claimant and by who takes the
  // waiters, which is the last Done, or the claimant that it left them to.
  std::atomic<uint64_t> state_{0};
  // Who came last; its `next` came first. Guarded by kClaimed; when the counter
  // has become zero, by being the one who takes the waiters.
  Node* last_ = nullptr;
  Waiter* first_ = nullptr;  // last_->next->waiter
};

}  // namespace mpg

#endif  // MPG_SYNC_WAIT_GROUP_H_
