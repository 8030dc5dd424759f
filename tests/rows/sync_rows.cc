#include "tests/rows/sync_rows.h"

#include <stdlib.h>

#include <atomic>
#include <cstdint>

#include "runtime/goroutine.h"
#include "sync/cond.h"
#include "sync/mutex.h"
#include "sync/rwmutex.h"
#include "sync/sema.h"
#include "sync/wait_group.h"

namespace mpg {
namespace rows {
namespace {

void MutexUncontended(int64_t n) {
  Mutex mu;
  for (; n > 0; --n) {
    mu.Lock();
    mu.Unlock();
  }
}

Timed MutexContended(int64_t n) {
  Mutex mu;
  int64_t count = 0;
  const Timed t = Each(8, [&](int64_t k) {
    for (; k > 0; --k) {
      mu.Lock();
      ++count;
      mu.Unlock();
    }
  })(n);
  if (count != t.ops) abort();
  return t;
}

void AddDoneWait(int64_t n) {
  WaitGroup group;
  for (; n > 0; --n) {
    group.Add(1);
    group.Done();
    group.Wait();
  }
}

void SemUncontended(int64_t n) {
  std::atomic<uint32_t> sema{0};
  for (; n > 0; --n) {
    Semrelease(&sema);
    Semacquire(&sema);
  }
}

void SemPingPong(int64_t n) {
  std::atomic<uint32_t> a{0}, b{0};
  WaitGroup group;
  group.Add(1);
  Go([&, n] {
    for (int64_t i = 0; i < n; ++i) {
      Semacquire(&a);
      Semrelease(&b);
    }
    group.Done();
  });
  for (int64_t i = 0; i < n; ++i) {
    Semrelease(&a);
    Semacquire(&b);
  }
  group.Wait();
}

void CondPingPong(int64_t n) {
  Mutex mu;
  Cond cond(&mu);
  int turn = 0;
  WaitGroup group;
  group.Add(2);
  for (int me = 0; me < 2; ++me) {
    Go([&, n, me] {
      mu.Lock();
      for (int64_t i = 0; i < n; ++i) {
        while (turn != me) cond.Wait();
        turn = 1 - me;
        cond.Signal();
      }
      mu.Unlock();
      group.Done();
    });
  }
  group.Wait();
}

RWMutex read_lock;  // of all that read: one for the process

void Read(int64_t n) {
  for (; n > 0; --n) {
    read_lock.RLock();
    read_lock.RUnlock();
  }
}

}  // namespace

void AddSyncRows(std::vector<Bench>* benches) {
  benches->push_back(Op("mutex_uncontended", {1}, Exactly(MutexUncontended),
                        "ns/lock+unlock"));
  benches->push_back(Op("mutex_contended", {1, 2}, MutexContended,
                        "ns/lock+unlock, 8 goroutines"));
  benches->push_back(
      Op("waitgroup", {1}, Exactly(AddDoneWait), "ns/Add+Done+Wait"));
  benches->push_back(Op("sem_uncontended", {1}, Exactly(SemUncontended),
                        "ns/release+acquire"));
  benches->push_back(
      Op("sem_pingpong", {1, 2}, Exactly(SemPingPong), "ns/round trip"));
  benches->push_back(
      Op("cond_pingpong", {1, 2}, Exactly(CondPingPong), "ns/round trip"));
  benches->push_back(
      Op("rwmutex_read", {1}, Each(1, Read), "ns/rlock+runlock"));
  benches->push_back(Op("rwmutex_read_8", {2}, Each(8, Read),
                        "ns/rlock+runlock, 8 goroutines"));
}

}  // namespace rows
}  // namespace mpg
