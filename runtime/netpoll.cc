#include "runtime/netpoll.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/panic.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {
namespace {

constexpr int kEvents = 128;  // Go: netpoll's buffer
constexpr int kRead = 1, kWrite = 2;

RuntimeLock mu;
// The process's set; -1 before the first PollDesc. Never closed.
std::atomic<int> poll_fd{-1};
PollState* free_states ABSL_GUARDED_BY(mu) = nullptr;

absl::Status LastError(const char* what) {
  return ErrnoStatus(errno, "", what);
}

// An event carries its PollState and how often that had been used by then.
uint64_t TagOf(const PollState* state) {
  return reinterpret_cast<uintptr_t>(state) << 16 | state->sequence;
}
PollState* StateOf(uint64_t tag) {
  return reinterpret_cast<PollState*>(static_cast<uintptr_t>(tag >> 16));
}

absl::Status Init() {
  RuntimeLockGuard guard(mu);
  if (poll_fd.load() >= 0) return absl::OkStatus();
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return LastError("epoll_create1");
  poll_fd.store(fd);
  return absl::OkStatus();
}

constexpr uint32_t kExceptions = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;

int EventModes(uint32_t events) {
  int modes = 0;
  if ((events & (EPOLLIN | kExceptions)) != 0) {
    modes |= kRead;
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) modes |= kWrite;
  return modes;
}

// The events that a wait has got. Go: netpoll's throw; what waits for the network
// would wait for ever, and who sleeps on it would not sleep.
int Got(int fd, int n) {
  if (ABSL_PREDICT_TRUE(n >= 0)) return n;
  const int error = errno;
  if (error == EINTR) return 0;
  PrintError(absl::StrCat("runtime: epollwait on fd ", fd, " failed with ",
                          error, "\n"));
  FatalError("runtime: netpoll failed");
}

// epoll_wait with nanoseconds, where the kernel has that (5.11) and lets it be called:
// old filters of system calls say EPERM to those that they do not know.
int WaitNanos(int fd, epoll_event* events, int n, int64_t ns) {
  static std::atomic<bool> has_pwait2{true};
  // relaxed: found out anew by each thread at worst.
  if (has_pwait2.load(std::memory_order_relaxed)) {
    timespec timeout;
    timeout.tv_sec = ns / 1'000'000'000;
    timeout.tv_nsec = ns % 1'000'000'000;
    const long got =
        syscall(SYS_epoll_pwait2, fd, events, n, &timeout, nullptr, size_t{0});
    if (got >= 0 || (errno != ENOSYS && errno != EPERM)) {
      return static_cast<int>(got);
    }
    has_pwait2.store(false, std::memory_order_relaxed);
  }
  const int64_t ms = std::min<int64_t>((ns + 999'999) / 1'000'000,
                                       std::numeric_limits<int>::max());
  return epoll_wait(fd, events, n, static_cast<int>(ms));
}

}  // namespace

bool NetPollInited() { return poll_fd.load(std::memory_order_relaxed) >= 0; }

PollState* TakePollState() {
  PollState* state;
  {
    RuntimeLockGuard guard(mu);
    state = free_states;
    if (state != nullptr) free_states = state->next_free;
  }
  if (state == nullptr) state = new PollState;
  RuntimeLockGuard guard(state->lock);
  ++state->sequence;
  state->reader.store(PollState::kNil);
  state->writer.store(PollState::kNil);
  state->exception.store(false);
  state->closing.store(false);
  state->read_expired.store(false);
  state->write_expired.store(false);
  state->read_deadline = 0;
  state->write_deadline = 0;
  state->users.store(1);
  return state;
}

void DropPollState(PollState* state) {
  if (state->users.fetch_sub(1) != 1) return;
  RuntimeLockGuard guard(mu);
  state->next_free = free_states;
  free_states = state;
}

absl::Status NetPollOpen(PollState* state) {
  if (absl::Status s = Init(); !s.ok()) return s;
  epoll_event event;
  event.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = TagOf(state);
  if (epoll_ctl(poll_fd.load(), EPOLL_CTL_ADD, state->fd, &event) != 0) {
    return LastError("epoll_ctl");
  }
  return absl::OkStatus();
}

void NetPollClose(PollState* state) {
  epoll_event event = {};
  epoll_ctl(poll_fd.load(), EPOLL_CTL_DEL, state->fd, &event);
}

Waiter* Unblock(PollState* state, int mode, bool io_ready) {
  std::atomic<uintptr_t>& semaphore = state->Semaphore(mode);
  uintptr_t old = semaphore.load();
  do {
    if (old == PollState::kReady) return nullptr;
    if (old == PollState::kNil && !io_ready) return nullptr;
  } while (!semaphore.compare_exchange_weak(
      old, io_ready ? PollState::kReady : PollState::kNil));
  if (old == PollState::kNil || old == PollState::kWait) return nullptr;
  auto* const g = static_cast<G*>(reinterpret_cast<Waiter*>(old));
  g->sched->net_waiters.fetch_sub(1);
  return g;
}

int NetPoll(absl::FunctionRef<void(Waiter*)> ready) {
  epoll_event events[kEvents];
  const int fd = poll_fd.load();
  const int n = Got(fd, epoll_wait(fd, events, kEvents, 0));
  int readied = 0;
  for (int i = 0; i < n; ++i) {
    PollState* const state = StateOf(events[i].data.u64);
    const int modes = EventModes(events[i].events);
    Waiter* woken[2] = {nullptr, nullptr};
    {
      // Not while it is closed, and opened for another descriptor.
      RuntimeLockGuard guard(state->lock);
      if (TagOf(state) != events[i].data.u64) continue;
      if ((events[i].events & kExceptions) != 0) state->exception.store(true);
      if ((modes & kRead) != 0) woken[0] = Unblock(state, kRead, true);
      if ((modes & kWrite) != 0) woken[1] = Unblock(state, kWrite, true);
    }
    for (Waiter* w : woken) {
      if (w == nullptr) continue;
      ready(w);
      ++readied;
    }
  }
  return readied;
}

void PollTimer::Fire(TimerNode* t, int64_t, int64_t now) {
  if (!t->TakeFiring()) return;
  auto* const self = static_cast<PollTimer*>(t);
  PollState* const state = self->state;
  Waiter* w;
  {
    RuntimeLockGuard guard(state->lock);
    const int64_t deadline =
        self->mode == kRead ? state->read_deadline : state->write_deadline;
    if (deadline == 0 || now < deadline) return;  // meant for an earlier one
    state->Expired(self->mode).store(true);
    w = Unblock(state, self->mode, false);
  }
  if (w != nullptr) ReadyInTurn(w);
}

NetSleep::~NetSleep() {
  if (epoll_ >= 0) close(epoll_);
  if (eventfd_ >= 0) close(eventfd_);
}

absl::Status NetSleep::Use() {
  RuntimeLockGuard guard(mu_);
  if (used_.load()) return absl::OkStatus();
  if (eventfd_ < 0) eventfd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (eventfd_ < 0) return LastError("eventfd");
  if (epoll_ < 0) epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return LastError("epoll_create1");
  for (int fd : {eventfd_, poll_fd.load()}) {
    epoll_event event;
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0 && errno != EEXIST) {
      return LastError("epoll_ctl");
    }
  }
  used_.store(true);
  return absl::OkStatus();
}

KeeperWake NetSleep::SleepFor(Note* note, int64_t ns) {
  if (!used_.load()) {
    return note->SleepFor(ns) ? KeeperWake::kWoken : KeeperWake::kTimeout;
  }
  // Who wakes the keeper signals the note and then looks at in_epoll_.
  in_epoll_.store(true);
  int n = 0;
  epoll_event events[2];
  if (!note->IsSignaled()) n = Got(epoll_, WaitNanos(epoll_, events, 2, ns));
  in_epoll_.store(false);
  bool network = false;
  for (int i = 0; i < n; ++i) {
    if (events[i].data.fd != eventfd_) {
      network = true;
      continue;
    }
    uint64_t count;
    // EAGAIN: nothing to take in, which does no harm.
    if (read(eventfd_, &count, sizeof count) < 0) continue;
  }
  if (note->IsSignaled()) return KeeperWake::kWoken;
  return network ? KeeperWake::kEvent : KeeperWake::kTimeout;
}

void NetSleep::Woken() {
  if (!in_epoll_.load()) return;
  const uint64_t one = 1;
  // EAGAIN: it is as full of wake-ups as can be.
  if (write(eventfd_, &one, sizeof one) < 0) return;
}

}  // namespace internal
}  // namespace mpg
