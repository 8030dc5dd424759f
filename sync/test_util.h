// What the tests of this folder share.
#ifndef MPG_SYNC_TEST_UTIL_H_
#define MPG_SYNC_TEST_UTIL_H_

#include <cstdint>
#include <cstdio>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/lock.h"
#include "base/park.h"
#include "base/random.h"
#include "base/thread_state.h"

namespace mpg {
namespace sync_test {

// Returns once exactly n plain threads are parked. A test that hangs here has
// found that somebody does not block.
inline void WaitUntilParked(int64_t n) {
  while (internal::ParkedThreads() != n) std::this_thread::yield();
}

// Threads that are joined at the end of the scope.
class Threads {
 public:
  ~Threads() { Join(); }
  template <class F>
  void Start(F f) {
    threads_.emplace_back(std::move(f));
  }
  void Join() {
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

// A waiter whose environment is a script, so that one thread can play what would
// otherwise have to happen at the right moment on several.
class ScriptedWaiter : public Waiter {
 public:
  ScriptedWaiter() : Waiter(&kOps) {}

  // Runs f as this waiter.
  template <class F>
  void Run(F f) {
    Waiter* const before = CurrentWaiter();
    ThisThread()->current = this;
    f();
    ThisThread()->current = before;
  }

  // What the rest of the world does: before the commit of a Park; while parked,
  // for the n-th time from 0, which must ready this waiter; and as it is
  // readied.
  std::function<void()> before_commit = [] {};
  std::function<void(int n)> while_parked = [](int) {};
  std::function<void()> at_ready = [] {};

  int parks = 0;
  int readies = 0;
  ParkSite site = {};
  void* arg = nullptr;

 private:
  static ScriptedWaiter* Self(Waiter* w) {
    return static_cast<ScriptedWaiter*>(w);
  }
  static void DoPark(Waiter* w, const ParkSite* site, RuntimeLock* lock,
                     void* arg) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (lock != nullptr) lock->Unlock();
    ScriptedWaiter* const self = Self(w);
    self->before_commit();
    if (site->commit != nullptr && !site->commit(w, arg)) return;
    self->site = *site;
    self->arg = arg;
    const int n = self->parks++;
    ThisThread()->current = nullptr;  // who acts now is somebody else
    self->while_parked(n);
    ThisThread()->current = self;
  }
  static void DoReady(Waiter* w) {
    ++Self(w)->readies;
    Self(w)->at_ready();
  }
  static constexpr WaiterOps kOps = {
      DoPark,
      DoReady,
      DoReady,
      [](Waiter*) {},
      [](Waiter*, int) { return false; },
      [](Waiter*, absl::AnyInvocable<void()>, uintptr_t) {},
  };
};

// The seed of a random test, said so that a failure can be repeated.
inline uint64_t TestSeed() {
  const uint64_t seed = SeedFromEnvironment();
  std::printf("MPG_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace sync_test
}  // namespace mpg

#endif  // MPG_SYNC_TEST_UTIL_H_
