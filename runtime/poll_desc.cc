#include "runtime/poll_desc.h"

#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/errno_status.h"
#include "base/panic.h"
#include "base/park.h"
#include "runtime/netpoll.h"
#include "runtime/sched.h"
#include "runtime/start_timer.h"
#include "runtime/timers.h"

namespace mpg {
namespace {

using internal::CurrentG;
using internal::G;
using internal::PollState;
using internal::Sched;

constexpr int kSliceMs = 50;

// A call that uses the state: it is not used for another descriptor meanwhile.
class User {
 public:
  explicit User(PollState* state) : state_(state) {
    state_->users.fetch_add(1);
  }
  ~User() { internal::DropPollState(state_); }
  User(const User&) = delete;
  User& operator=(const User&) = delete;

 private:
  PollState* const state_;
};

absl::Status Closed() { return absl::CancelledError("use of closed file"); }

// Go: netpollcheckerr.
absl::Status Check(PollState* state, int mode) {
  if (state->closing.load()) return Closed();
  if (state->Expired(mode).load()) {
    return absl::DeadlineExceededError("i/o timeout");
  }
  return absl::OkStatus();
}

struct Blocked {
  PollState* state;
  int mode;
};

// Go: netpollblockcommit.
bool CommitWait(Waiter* w, void* arg) {
  auto* const blocked = static_cast<Blocked*>(arg);
  Sched* const s = static_cast<G*>(w)->sched;
  // Before anybody can find the waiter and count it out.
  const bool first = s->net_waiters.fetch_add(1) == 0;
  uintptr_t expected = PollState::kWait;
  if (!blocked->state->Semaphore(blocked->mode)
           .compare_exchange_strong(expected, reinterpret_cast<uintptr_t>(w))) {
    s->net_waiters.fetch_sub(1);
    return false;
  }
  if (first) s->NetWaiterCame();
  return true;
}

bool AbandonWait(Waiter* w, void* arg) {
  auto* const blocked = static_cast<Blocked*>(arg);
  uintptr_t expected = reinterpret_cast<uintptr_t>(w);
  return blocked->state->Semaphore(blocked->mode)
      .compare_exchange_strong(expected, PollState::kNil);
}

constexpr ParkSite kWaitSite = {WaitReason::kIOWait, CommitWait, AbandonWait};

// Go: netpollblock.
void Block(PollState* state, int mode) {
  std::atomic<uintptr_t>& semaphore = state->Semaphore(mode);
  for (;;) {
    uintptr_t expected = PollState::kReady;
    if (semaphore.compare_exchange_strong(expected, PollState::kNil)) return;
    expected = PollState::kNil;
    if (semaphore.compare_exchange_strong(expected, PollState::kWait)) break;
    if (expected != PollState::kReady) FatalError("runtime: double wait");
  }
  // Whoever closes it or lets it expire says so first and then looks at the
  // semaphore: it takes kWait or the waiter away, or we see it here.
  if (Check(state, mode).ok()) {
    Blocked blocked{state, mode};
    Park(CurrentWaiter(), &kWaitSite, nullptr, &blocked);
  }
  uintptr_t now = PollState::kWait;
  if (semaphore.compare_exchange_strong(now, PollState::kNil)) return;
  // kReady: taken, unless Wait fails for another reason: then the next one has it,
  // since the kernel does not tell twice.
  if (now == PollState::kReady && Check(state, mode).ok()) {
    semaphore.compare_exchange_strong(now, PollState::kNil);
  }
}

// A plain thread's.
absl::Status WaitOnThread(PollState* state, int mode) {
  for (;;) {
    if (absl::Status s = Check(state, mode); !s.ok()) return s;
    pollfd p = {};
    p.fd = state->fd;
    p.events = mode == PollDesc::kRead ? POLLIN : POLLOUT;
    const int n = poll(&p, 1, kSliceMs);
    if (n > 0) return Check(state, mode);
    if (n < 0 && errno != EINTR)
      return internal::ErrnoStatus(errno, "", "poll");
  }
}

}  // namespace

absl::StatusOr<PollDesc> PollDesc::Open(int fd) {
  PollState* const state = internal::TakePollState();
  state->fd = fd;
  absl::Status status = internal::NetPollOpen(state);
  if (status.ok()) {
    if (G* g = CurrentG()) status = g->sched->UseNetPoll();
    if (!status.ok()) internal::NetPollClose(state);
  }
  if (!status.ok()) {
    internal::DropPollState(state);
    return status;
  }
  return PollDesc(state);
}

PollDesc::~PollDesc() {
  Close();
  if (state_ != nullptr) internal::DropPollState(state_);
}

PollDesc::PollDesc(PollDesc&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)) {}

PollDesc& PollDesc::operator=(PollDesc&& other) noexcept {
  if (this != &other) {
    Close();
    if (state_ != nullptr) internal::DropPollState(state_);
    state_ = std::exchange(other.state_, nullptr);
  }
  return *this;
}

absl::Status PollDesc::Reset(Mode mode) {
  if (state_ == nullptr) return Closed();
  if (absl::Status s = Check(state_, mode); !s.ok()) return s;
  uintptr_t ready = PollState::kReady;
  state_->Semaphore(mode).compare_exchange_strong(ready, PollState::kNil);
  return absl::OkStatus();
}

absl::Status PollDesc::Wait(Mode mode) {
  if (state_ == nullptr) return Closed();
  PollState* const state = state_;
  User user(state);
  if (absl::Status s = Check(state, mode); !s.ok()) return s;
  G* const g = CurrentG();
  if (g == nullptr) return WaitOnThread(state, mode);
  if (absl::Status s = g->sched->UseNetPoll(); !s.ok()) return s;
  Block(state, mode);
  return Check(state, mode);
}

bool PollDesc::SawException() const {
  return state_ != nullptr && state_->exception.load();
}

void PollDesc::SetDeadline(Mode modes, absl::Time deadline) {
  if (state_ == nullptr) return;
  PollState* const state = state_;
  const absl::Duration left = deadline - absl::Now();
  const bool never = deadline == absl::InfiniteFuture();
  const bool over = left <= absl::ZeroDuration();
  const int64_t ns = internal::TimerNanos(left);
  const int64_t now = NanoTime();
  const int64_t when =
      never || over ? 0 : now + std::min(ns, TimerHeap::kMaxWhen - now);
  Waiter* woken[2] = {nullptr, nullptr};
  {
    RuntimeLockGuard guard(state->lock);
    if (state->closing.load()) return;
    for (int mode : {kRead, kWrite}) {
      if ((modes & mode) == 0) continue;
      (mode == kRead ? state->read_deadline : state->write_deadline) = when;
      state->Expired(mode).store(over);
      if (over) woken[mode - 1] = internal::Unblock(state, mode, false);
    }
  }
  for (int mode : {kRead, kWrite}) {
    if ((modes & mode) == 0) continue;
    TimerNode* const timer =
        mode == kRead ? &state->read_timer : &state->write_timer;
    if (when == 0) {
      TimerHeap::Stop(timer);
    } else {
      internal::ResetTimer(timer, ns);
    }
    if (woken[mode - 1] != nullptr) Ready(woken[mode - 1]);
  }
}

void PollDesc::Close() {
  PollState* const state = state_;
  if (state == nullptr) return;
  Waiter* woken[2];
  {
    RuntimeLockGuard guard(state->lock);
    if (state->closing.exchange(true)) return;
    woken[0] = internal::Unblock(state, kRead, false);
    woken[1] = internal::Unblock(state, kWrite, false);
    state->read_deadline = 0;
    state->write_deadline = 0;
  }
  internal::NetPollClose(state);
  TimerHeap::Stop(&state->read_timer);
  TimerHeap::Stop(&state->write_timer);
  for (Waiter* w : woken) {
    if (w != nullptr) Ready(w);
  }
}

}  // namespace mpg
