// The network poller: one epoll set for the process, edge-triggered. Internal;
// users see runtime/poll_desc.h. Go: netpoll.go, netpoll_epoll.go.
//
// Who asks it (all but the first without blocking):
//  - the M that keeps the time (Sched::KeepTime), which sleeps in the epoll set
//    of its Sched: that holds the process's set and an eventfd to wake the keeper;
//  - an M that has nothing to run, before it looks elsewhere (a woken one: after);
//  - sysmon, if nobody has for 10 ms (it wakes an idle P for that after 1 ms); and
//    whoever starts the world.
#ifndef MPG_RUNTIME_NETPOLL_H_
#define MPG_RUNTIME_NETPOLL_H_

#include <atomic>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/lock.h"
#include "base/note.h"
#include "base/park.h"
#include "timer/timekeeper.h"
#include "timer/timer_heap.h"

namespace mpg {
namespace internal {

struct Sched;
struct PollState;

// One of a descriptor's two deadlines.
struct PollTimer final : TimerNode {
  PollTimer(PollState* s, int m) : TimerNode(&kOps), state(s), mode(m) {}
  static void Fire(TimerNode* t, int64_t when, int64_t now);
  static void Destroy(TimerNode*) {}  // its PollState has a reference for ever
  static constexpr TimerOps kOps = {Fire, nullptr, Destroy, /*revocable=*/true,
                                    /*inheritable=*/true};
  PollState* const state;
  const int mode;
};

// One for each open PollDesc; used again, never freed: events and timers that
// come late find it. Go: type pollDesc.
struct PollState {
  PollState() : read_timer(this, 1), write_timer(this, 2) {}

  // A one-place semaphore each: kNil, kReady, kWait (somebody is about to park),
  // or the Waiter. Go: rg, wg.
  static constexpr uintptr_t kNil = 0, kReady = 1, kWait = 2;
  std::atomic<uintptr_t> reader{kNil};
  std::atomic<uintptr_t> writer{kNil};
  std::atomic<uintptr_t>& Semaphore(int mode) {
    return mode == 1 ? reader : writer;
  }

  // Read without the lock, changed under it.
  std::atomic<bool> exception{false};  // see PollDesc::SawException
  std::atomic<bool> closing{false};
  std::atomic<bool> read_expired{false};
  std::atomic<bool> write_expired{false};
  std::atomic<bool>& Expired(int mode) {
    return mode == 1 ? read_expired : write_expired;
  }

  std::atomic<int> users{0};  // the PollDesc, and calls under way
  int fd = -1;
  uint16_t sequence = 0;  // in its events: how often it was used

  RuntimeLock lock;
  // NanoTime; 0: none. A timer that fires before that was meant for another one.
  int64_t read_deadline ABSL_GUARDED_BY(lock) = 0;
  int64_t write_deadline ABSL_GUARDED_BY(lock) = 0;
  PollTimer read_timer;
  PollTimer write_timer;
  PollState* next_free = nullptr;
};

// There is something to poll. One relaxed load.
bool NetPollInited();
// Registers state->fd.
absl::Status NetPollOpen(PollState* state);
void NetPollClose(PollState* state);
PollState* TakePollState();
void DropPollState(PollState* state);  // one user less

// Calls ready(w) for each Waiter whose descriptor has become ready, some 100 at a
// time. Returns how many. Does not block. Any thread.
int NetPoll(absl::FunctionRef<void(Waiter*)> ready);

// The Waiter to be readied, or null, now that the descriptor is ready (io_ready)
// or that it is in vain to wait. Go: netpollunblock.
Waiter* Unblock(PollState* state, int mode, bool io_ready);

// How a Sched's keeper sleeps: in epoll once there was something to poll.
class NetSleep final : public KeeperSleep {
 public:
  ~NetSleep() override;
  // From now on in epoll. Error: no descriptors left.
  absl::Status Use();
  bool InUse() const { return used_.load(); }
  bool Blocked() const { return in_epoll_.load(); }

  KeeperWake SleepFor(Note* note, int64_t ns) override;
  void Woken() override;

 private:
  RuntimeLock mu_;
  int epoll_ = -1;
  int eventfd_ = -1;
  std::atomic<bool> used_{false};
  std::atomic<bool> in_epoll_{false};
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_NETPOLL_H_
