#include "channel/hchan.h"

#include <cstdint>
#include <cstring>
#include <new>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "base/cacheline.h"
#include "base/panic.h"

namespace mpg {
namespace internal {

// --- How the two kinds of elements move -------------------------------------

// kMayThrow: Move and Deliver may throw.
template <size_t kSize>
struct WordElem {
  static constexpr bool kMayThrow = false;
  static char* Slot(HChan* c, size_t i) {
    return reinterpret_cast<char*>(c) + kMinRingOffset + i * kSize;
  }
  static void Move(HChan*, void* slot, void* value) {
    std::memcpy(slot, value, kSize);
  }
  static void Deliver(HChan*, void* to, void* value) {
    std::memcpy(to, value, kSize);
  }
  static void Destroy(HChan*, void*) {}
};

struct ObjectElem {
  static constexpr bool kMayThrow = true;
  static char* Slot(HChan* c, size_t i) {
    return reinterpret_cast<char*>(c) + c->elem->ring_offset +
           i * c->elem->size;
  }
  static void Move(HChan* c, void* slot, void* value) {
    c->elem->move(slot, value);
  }
  static void Deliver(HChan* c, void* to, void* value) {
    c->elem->deliver(to, value);
  }
  static void Destroy(HChan* c, void* slot) {
    if (c->elem->destroy != nullptr) c->elem->destroy(slot);
  }
};

namespace {

// --- Waking and parking -----------------------------------------------------

// Tells sg's waiter how its operation ended; the caller readies the waiter
// next.
Waiter* Finish(Sudog* sg, Outcome outcome) {
  Waiter* const w = sg->waiter;
  sg->outcome = outcome;
  w->param = sg;  // tells a Select which of its cases it was
  return w;
}

bool AbandonSudog(Waiter*, void* arg) {
  auto* sg = static_cast<Sudog*>(arg);
  return Abandon(sg->chan, sg);
}

constexpr ParkSite kSendSite = {WaitReason::kChanSend, nullptr, AbandonSudog};
constexpr ParkSite kRecvSite = {WaitReason::kChanReceive, nullptr,
                                AbandonSudog};

// Queues the caller on c, whose lock it holds, and parks, which unlocks c.
ABSL_ATTRIBUTE_NOINLINE Outcome ParkOn(HChan* c, Waiter* w, void* elem,
                                       bool is_send) {
  Sudog sg;
  sg.waiter = w;
  sg.chan = c;
  sg.elem = elem;
  sg.is_select = false;
  sg.is_send = is_send;
  (is_send ? c->sendq : c->recvq).Enqueue(&sg);
  Park(w, is_send ? &kSendSite : &kRecvSite, &c->lock, &sg);
  return sg.outcome;
}

// --- One attempt under the lock ---------------------------------------------

size_t Count(const HChan* c) {
  // relaxed: read under the lock.
  return c->count.load(std::memory_order_relaxed);
}

void SetCount(HChan* c, size_t n) {
  // release: pairs with the acquire in Empty and Full.
  c->count.store(n, std::memory_order_release);
}

bool IsClosed(const HChan* c) {
  // relaxed: read under the lock.
  return c->closed.load(std::memory_order_relaxed);
}

// Moves *value to the end of the ring, which has room. If that throws, nothing
// has changed.
template <class E>
void Append(HChan* c, void* value) {
  const size_t n = Count(c);
  size_t sendx = c->recvx + n;
  if (sendx >= c->capacity) sendx -= c->capacity;
  E::Move(c, E::Slot(c, sendx), value);
  SetCount(c, n + 1);
}

// Moves the ring's oldest value, which there is, to *to. If that throws,
// nothing has changed.
template <class E>
void TakeOldest(HChan* c, void* to) {
  char* const slot = E::Slot(c, c->recvx);
  E::Deliver(c, to, slot);
  E::Destroy(c, slot);
  if (++c->recvx == c->capacity) c->recvx = 0;
  SetCount(c, Count(c) - 1);
}

// Hands *value to *to for a partner that was taken out of its queue, and sets
// *wake to it. If that throws, the partner starts again.
template <class E>
void HandOver(HChan* c, void* to, void* value, Sudog* partner, Waiter** wake) {
  if constexpr (E::kMayThrow) *wake = Finish(partner, Outcome::kRetry);
  E::Deliver(c, to, value);
  *wake = Finish(partner, Outcome::kDone);
}

// A slot has become free: moves the value of the longest-waiting parked sender
// into it and sets *wake to that sender. A sender whose value cannot be moved
// starts again, and meets its exception itself; the slot goes to the next one.
template <class E>
void Refill(HChan* c, Waiter** wake) {
  while (Sudog* sg = c->sendq.Dequeue()) {
    if constexpr (E::kMayThrow) {
      try {
        Append<E>(c, sg->elem);
      } catch (...) {
        Ready(Finish(sg, Outcome::kRetry));  // rare, so with the lock held
        continue;
      }
    } else {
      Append<E>(c, sg->elem);
    }
    *wake = Finish(sg, Outcome::kDone);
    return;
  }
}

template <class E>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline Step SendStep(HChan* c, void* value,
                                                  Waiter** wake) {
  if (ABSL_PREDICT_FALSE(IsClosed(c))) return Step::kClosed;
  if (!c->recvq.empty()) {
    if (Sudog* sg = c->recvq.Dequeue()) {
      HandOver<E>(c, sg->elem, value, sg, wake);
      return Step::kDone;
    }
  }
  if (Count(c) == c->capacity) return Step::kWouldBlock;
  Append<E>(c, value);
  return Step::kDone;
}

template <class E>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline Step RecvStep(HChan* c, void* to,
                                                  Waiter** wake) {
  if (Count(c) != 0) {
    TakeOldest<E>(c, to);
    if (!c->sendq.empty()) Refill<E>(c, wake);
    return Step::kDone;
  }
  if (!c->sendq.empty()) {
    if (Sudog* sg = c->sendq.Dequeue()) {
      HandOver<E>(c, to, sg->elem, sg, wake);
      return Step::kDone;
    }
  }
  return IsClosed(c) ? Step::kClosed : Step::kWouldBlock;
}

// Locks c, runs step(&wake), unlocks c and readies whom step woke, also if it
// throws. If kStayLocked and the step would block, c is left locked, which is
// more than the thread-safety analysis can express.
template <class E, bool kStayLocked, class F>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline Step LockAndTry(HChan* c, F step)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Waiter* wake = nullptr;
  Step result;
  c->lock.Lock();
  if constexpr (E::kMayThrow) {
    try {
      result = step(&wake);
    } catch (...) {
      c->lock.Unlock();
      if (wake != nullptr) Ready(wake);
      throw;
    }
  } else {
    result = step(&wake);
  }
  if (kStayLocked && result == Step::kWouldBlock) return result;
  c->lock.Unlock();
  if (wake != nullptr) Ready(wake);
  return result;
}

}  // namespace

// --- The operations ---------------------------------------------------------

template <class E>
bool ChanOps<E>::Send(HChan* c, void* value) {
  Waiter* const w = CurrentWaiter();
  for (;;) {
    const Step step = LockAndTry<E, /*kStayLocked=*/true>(
        c, [=](Waiter** wake) { return SendStep<E>(c, value, wake); });
    if (step != Step::kWouldBlock) {
      PreemptPoint(w);
      return step == Step::kDone;
    }
    const Outcome outcome = ParkOn(c, w, value, /*is_send=*/true);
    if (!E::kMayThrow || outcome != Outcome::kRetry) {
      return outcome == Outcome::kDone;
    }
  }
}

template <class E>
bool ChanOps<E>::Recv(HChan* c, void* to) {
  Waiter* const w = CurrentWaiter();
  for (;;) {
    const Step step = LockAndTry<E, /*kStayLocked=*/true>(
        c, [=](Waiter** wake) { return RecvStep<E>(c, to, wake); });
    if (step != Step::kWouldBlock) {
      PreemptPoint(w);
      return step == Step::kDone;
    }
    const Outcome outcome = ParkOn(c, w, to, /*is_send=*/false);
    if (!E::kMayThrow || outcome != Outcome::kRetry) {
      return outcome == Outcome::kDone;
    }
  }
}

template <class E>
Step ChanOps<E>::TrySend(HChan* c, void* value) {
  const Step step = LockAndTry<E, /*kStayLocked=*/false>(
      c, [=](Waiter** wake) { return SendStep<E>(c, value, wake); });
  PreemptPoint();
  return step;
}

template <class E>
Step ChanOps<E>::TryRecv(HChan* c, void* to) {
  const Step step = LockAndTry<E, /*kStayLocked=*/false>(
      c, [=](Waiter** wake) { return RecvStep<E>(c, to, wake); });
  PreemptPoint();
  return step;
}

template <class E>
Step ChanOps<E>::SendLocked(HChan* c, void* value, Waiter** wake) {
  return SendStep<E>(c, value, wake);
}

template <class E>
Step ChanOps<E>::RecvLocked(HChan* c, void* to, Waiter** wake) {
  return RecvStep<E>(c, to, wake);
}

template struct ChanOps<WordElem<0>>;
template struct ChanOps<WordElem<1>>;
template struct ChanOps<WordElem<4>>;
template struct ChanOps<WordElem<8>>;
template struct ChanOps<WordElem<16>>;
template struct ChanOps<ObjectElem>;

// --- Life and end of a channel ----------------------------------------------

namespace {

// The header's hot part fills one line only if it begins one.
std::align_val_t Alignment(const ElemType* elem) {
  return std::align_val_t(elem->align > kCacheLineSize ? elem->align
                                                       : kCacheLineSize);
}

// Readies a chain that WaitQueue::TakeAll returned. Its Sudogs are spread over
// as many stacks, so each is a cache and TLB miss: have two under way while one
// waiter is made ready.
void ReadyAll(Sudog* sg) {
  if (sg != nullptr && sg->next != nullptr) PrefetchForWrite(sg->next);
  while (sg != nullptr) {
    Sudog* const next = sg->next;
    if (next != nullptr) {
      if (next->next != nullptr) PrefetchForWrite(next->next);
      PrefetchForWrite(next->waiter);
    }
    Ready(Finish(sg, Outcome::kClosed));
    sg = next;
  }
}

}  // namespace

HChan* HChan::Make(const ElemType* elem, size_t capacity) {
  // Every size and index then fits a ptrdiff_t. Go: maxAlloc.
  constexpr size_t kMaxBytes = PTRDIFF_MAX;
  const size_t unit = elem->size == 0 ? 1 : elem->size;
  if (capacity > (kMaxBytes - elem->ring_offset) / unit) {
    throw Panic("makechan: size out of range");
  }
  void* const memory = ::operator new(elem->ring_offset + capacity * elem->size,
                                      Alignment(elem));
  return new (memory) HChan(elem, capacity);
}

void HChan::Close() {
  lock.Lock();
  if (IsClosed(this)) {
    lock.Unlock();
    throw Panic("close of closed channel");
  }
  // release: pairs with the acquire in RecvWouldBlock.
  closed.store(true, std::memory_order_release);
  Sudog* const receivers = recvq.TakeAll(!select_seen);
  Sudog* const senders = sendq.TakeAll(!select_seen);
  lock.Unlock();
  ReadyAll(receivers);
  ReadyAll(senders);
  PreemptPoint();
}

void HChan::Unreferenced() {
  lock.Lock();
  // Whoever stands here can only be abandoned now: it operates on a channel
  // through a handle that somebody else has destroyed, as happens when a
  // channel is declared after the Runtime whose goroutines use it.
  orphaned = !recvq.empty() || !sendq.empty();
  const bool free = !orphaned;
  lock.Unlock();
  if (free) Free();
}

void HChan::Free() {
  if (elem->destroy != nullptr) {
    for (size_t n = Count(this); n != 0; --n) {
      elem->destroy(ObjectElem::Slot(this, recvx));
      if (++recvx == capacity) recvx = 0;
    }
  }
  const std::align_val_t alignment = Alignment(elem);
  this->~HChan();
  ::operator delete(this, alignment);
}

namespace {

bool RemoveLocked(HChan* c, Sudog* sg) {
  // Close has taken the queues as a whole, links and all.
  if (IsClosed(c)) return false;
  return (sg->is_send ? c->sendq : c->recvq).Remove(sg);
}

}  // namespace

bool RemoveSudog(HChan* c, Sudog* sg) {
  RuntimeLockGuard guard(c->lock);
  return RemoveLocked(c, sg);
}

bool Abandon(HChan* c, Sudog* sg) {
  c->lock.Lock();
  const bool removed = RemoveLocked(c, sg);
  const bool free = c->orphaned && c->recvq.empty() && c->sendq.empty();
  c->lock.Unlock();
  if (free) c->Free();
  return removed;
}

void BlockForever(WaitReason reason) {
  static constexpr ParkSite kRecvNil = {WaitReason::kChanReceiveNil, nullptr,
                                        nullptr};
  static constexpr ParkSite kSendNil = {WaitReason::kChanSendNil, nullptr,
                                        nullptr};
  static constexpr ParkSite kNoCases = {WaitReason::kSelectNoCases, nullptr,
                                        nullptr};
  const ParkSite* const site = reason == WaitReason::kChanReceiveNil ? &kRecvNil
                               : reason == WaitReason::kChanSendNil  ? &kSendNil
                                                                    : &kNoCases;
  for (;;) Park(CurrentWaiter(), site, nullptr, nullptr);
}

void ThrowSendOnClosed() { throw Panic("send on closed channel"); }
void ThrowCloseOfNil() { throw Panic("close of nil channel"); }

}  // namespace internal
}  // namespace mpg
