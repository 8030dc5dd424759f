// Every blocking call of sync/, by plain threads, while Runtimes start and end.
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "sync/cond.h"
#include "sync/mutex.h"
#include "sync/rwmutex.h"
#include "sync/sema.h"
#include "sync/wait_group.h"
#include "tests/sync/foreign.h"

// What abandoned goroutines hold is never freed, by contract.
extern "C" int __lsan_is_turned_off() { return 1; }

namespace mpg {
namespace {

using sync_test::BlockingCall;
using sync_test::NamedCall;

BlockingCall Sema() {
  const auto sema = std::make_shared<std::atomic<uint32_t>>(0);
  return {[sema] { Semacquire(sema.get()); },
          [sema] { Semrelease(sema.get()); }};
}

// Held at first, then by each that blocks and each that contends, for a moment.
BlockingCall LockMutex() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  struct State {
    Mutex mu;
    std::atomic<bool> held{true};
  };
  const auto s = std::make_shared<State>();
  s->mu.Lock();
  const auto lock = [s] { MutexLock guard(&s->mu); };
  const auto unlock_first = [s]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (s->held.exchange(false)) s->mu.Unlock();
  };
  return {lock, unlock_first,
          [lock, unlock_first] {
            unlock_first();
            lock();
          },
          /*contend_must_end=*/true};
}

// A writer blocks while somebody reads.
BlockingCall LockRWMutex() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  struct State {
    RWMutex mu;
    std::atomic<bool> held{true};
  };
  const auto s = std::make_shared<State>();
  s->mu.RLock();
  const auto unlock_first = [s]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (s->held.exchange(false)) s->mu.RUnlock();
  };
  return {[s]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
            s->mu.Lock();
            s->mu.Unlock();
          },
          unlock_first,
          [s, unlock_first]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
            unlock_first();
            s->mu.RLock();
            Gosched();
            s->mu.RUnlock();
          },
          /*contend_must_end=*/true,
          /*once=*/false,
          /*keeps_others_out=*/true};
}

// A reader blocks while somebody writes.
BlockingCall RLockRWMutex() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  struct State {
    RWMutex mu;
    std::atomic<bool> held{true};
  };
  const auto s = std::make_shared<State>();
  s->mu.Lock();
  const auto unlock_first = [s]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (s->held.exchange(false)) s->mu.Unlock();
  };
  return {[s]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
            s->mu.RLock();
            s->mu.RUnlock();
          },
          unlock_first,
          [s, unlock_first]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
            unlock_first();
            s->mu.Lock();
            Gosched();
            s->mu.Unlock();
          },
          /*contend_must_end=*/true};
}

BlockingCall WaitForCond() {
  struct State {
    Mutex mu;
    Cond cond{&mu};
  };
  const auto s = std::make_shared<State>();
  return {[s] {
            MutexLock guard(&s->mu);
            s->cond.Wait();
          },
          [s] { s->cond.Broadcast(); }, nullptr,
          // Not that it holds anything, but `block` holds the mutex.
          /*contend_must_end=*/true};
}

BlockingCall WaitForGroup() {
  const auto wg = std::make_shared<WaitGroup>();
  wg->Add(1);
  return {[wg] { wg->Wait(); }, [wg] { wg->Done(); }, nullptr, false,
          /*once=*/true};
}

// Each that waits has a WaitGroup of its own, on its stack.
BlockingCall WaitForLocalGroup() {
  struct State {
    std::mutex mu;
    std::deque<WaitGroup*> groups;
  };
  const auto s = std::make_shared<State>();
  const auto block = [s] {
    WaitGroup wg;
    wg.Add(1);
    {
      std::lock_guard<std::mutex> guard(s->mu);
      s->groups.push_back(&wg);
    }
    wg.Wait();
  };
  const auto done = [s] {
    WaitGroup* wg = nullptr;
    {
      std::lock_guard<std::mutex> guard(s->mu);
      if (s->groups.empty()) return;
      wg = s->groups.front();
      s->groups.pop_front();
    }
    wg->Done();
  };
  return {block, done, nullptr, /*contend_must_end=*/true};
}

const NamedCall kCalls[] = {
    {"Semacquire", Sema},         {"MutexLock", LockMutex},
    {"RWMutexLock", LockRWMutex}, {"RWMutexRLock", RLockRWMutex},
    {"CondWait", WaitForCond},    {"WaitGroupWait", WaitForGroup},
};

MPG_TEST_FOREIGN_CALLS(SyncForeign, kCalls)

TEST(SyncForeignLocal, WaitGroupWorksWhileRuntimesComeAndGo) {
  sync_test::WorksWhileRuntimesComeAndGo(WaitForLocalGroup());
}

}  // namespace
}  // namespace mpg
