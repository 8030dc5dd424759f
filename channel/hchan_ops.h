// How the operations of hchan.h are done. Included by hchan.cc, which compiles
// them once for all, and by the model test, which compiles them anew.
#ifndef MPG_CHANNEL_HCHAN_OPS_H_
#define MPG_CHANNEL_HCHAN_OPS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "base/cacheline.h"
#include "base/panic.h"
#include "base/wait_reason.h"
#include "channel/elem_type.h"
#include "channel/hchan.h"
#include "channel/sudog.h"

namespace mpg {
namespace internal {

// --- How the two kinds of elements move -------------------------------------

// kMayThrow: Move and Deliver may throw.
template <size_t kSize>
struct WordElem {
  static constexpr bool kMayThrow = false;
  template <class HChan>
  static char* Slot(HChan* c, size_t i) {
    return reinterpret_cast<char*>(c) + sizeof(HChan) + i * kSize;
  }
  template <class HChan>
  static void Move(HChan*, void* slot, void* value) {
    std::memcpy(slot, value, kSize);
  }
  template <class HChan>
  static void Deliver(HChan*, void* to, void* value) {
    std::memcpy(to, value, kSize);
  }
  template <class HChan>
  static void Destroy(HChan*, void*) {}
};

struct ObjectElem {
  static constexpr bool kMayThrow = true;
  template <class HChan>
  static char* Slot(HChan* c, size_t i) {
    return reinterpret_cast<char*>(c) + c->elem->ring_offset +
           i * c->elem->size;
  }
  template <class HChan>
  static void Move(HChan* c, void* slot, void* value) {
    c->elem->move(slot, value);
  }
  template <class HChan>
  static void Deliver(HChan* c, void* to, void* value) {
    c->elem->deliver(to, value);
  }
  template <class HChan>
  static void Destroy(HChan* c, void* slot) {
    if (c->elem->destroy != nullptr) c->elem->destroy(slot);
  }
};

// --- What does not depend on the elements -----------------------------------

template <class Env>
struct ChanCore {
  using HChan = BasicHChan<Env>;
  using Sudog = BasicSudog<Env>;
  using Waiter = typename Env::Waiter;
  using ParkSite = typename Env::ParkSite;

  static size_t Count(const HChan* c) {
    // relaxed: read under the lock.
    return c->count.load(std::memory_order_relaxed);
  }
  static void SetCount(HChan* c, size_t n) {
    // release: pairs with the acquire in Empty and Full.
    c->count.store(n, std::memory_order_release);
  }
  static bool IsClosed(const HChan* c) {
    // relaxed: read under the lock.
    return c->closed.load(std::memory_order_relaxed);
  }

  // Tells sg's waiter how its operation ended; the caller readies it next.
  static Waiter* Finish(Sudog* sg, Outcome outcome) {
    Waiter* const w = sg->waiter;
    sg->outcome = outcome;
    w->param = sg;  // tells a Select which of its cases it was
    return w;
  }

  // Queues the caller on c, whose lock it holds, and parks, which unlocks c.
  ABSL_ATTRIBUTE_NOINLINE static Outcome ParkOn(HChan* c, Waiter* w, void* elem,
                                                bool is_send) {
    static constexpr ParkSite kSend = {WaitReason::kChanSend, nullptr,
                                       &AbandonSudog};
    static constexpr ParkSite kRecv = {WaitReason::kChanReceive, nullptr,
                                       &AbandonSudog};
    Sudog sg;
    sg.waiter = w;
    sg.chan = c;
    sg.elem = elem;
    sg.is_select = false;
    sg.is_send = is_send;
    (is_send ? c->sendq : c->recvq).Enqueue(&sg);
    Env::Park(w, is_send ? &kSend : &kRecv, &c->lock, &sg);
    return sg.outcome;
  }

  static bool AbandonSudog(Waiter*, void* arg) {
    auto* sg = static_cast<Sudog*>(arg);
    return Abandon(sg->chan, sg);
  }

  // REQUIRES: the caller holds c's lock.
  static bool RemoveLocked(HChan* c, Sudog* sg) {
    // Close has taken the queues as a whole, links and all.
    if (IsClosed(c)) return false;
    return (sg->is_send ? c->sendq : c->recvq).Remove(sg);
  }

  // Readies a chain that WaitQueue::TakeAll returned. Its Sudogs are spread
  // over as many stacks, so each is a cache and TLB miss: have two under way
  // while one waiter is made ready.
  static void ReadyAll(Sudog* sg) {
    if (sg != nullptr && sg->next != nullptr) PrefetchForWrite(sg->next);
    while (sg != nullptr) {
      Sudog* const next = sg->next;
      if (next != nullptr) {
        if (next->next != nullptr) PrefetchForWrite(next->next);
        PrefetchForWrite(next->waiter);
      }
      Env::Ready(Finish(sg, Outcome::kClosed));
      sg = next;
    }
  }

  // The header's hot part fills one line only if it begins one.
  static std::align_val_t Alignment(const BasicElemType<Env>* elem) {
    return std::align_val_t(elem->align > kCacheLineSize ? elem->align
                                                         : kCacheLineSize);
  }
};

// --- One attempt under the lock ---------------------------------------------

template <class Env, class E>
struct ChanSteps : ChanCore<Env> {
  using Core = ChanCore<Env>;
  using Core::Count;
  using Core::Finish;
  using Core::IsClosed;
  using Core::SetCount;
  using typename Core::HChan;
  using typename Core::Sudog;
  using typename Core::Waiter;

  // Moves *value to the end of the ring, which has room. If that throws,
  // nothing has changed.
  static void Append(HChan* c, void* value) {
    const size_t n = Count(c);
    size_t sendx = c->recvx + n;
    if (sendx >= c->capacity) sendx -= c->capacity;
    E::Move(c, E::Slot(c, sendx), value);
    SetCount(c, n + 1);
  }

  // Moves the ring's oldest value, which there is, to *to. If that throws,
  // nothing has changed.
  static void TakeOldest(HChan* c, void* to) {
    char* const slot = E::Slot(c, c->recvx);
    E::Deliver(c, to, slot);
    E::Destroy(c, slot);
    if (++c->recvx == c->capacity) c->recvx = 0;
    SetCount(c, Count(c) - 1);
  }

  // Hands *value to *to for a partner that was taken out of its queue, and sets
  // *wake to it. If that throws, the partner starts again.
  static void HandOver(HChan* c, void* to, void* value, Sudog* partner,
                       Waiter** wake) {
    if constexpr (E::kMayThrow) *wake = Finish(partner, Outcome::kRetry);
    E::Deliver(c, to, value);
    *wake = Finish(partner, Outcome::kDone);
  }

  // A slot has become free: moves the value of the longest-waiting parked
  // sender into it and sets *wake to that sender. A sender whose value cannot
  // be moved starts again, and meets its exception itself; the slot goes to the
  // next one.
  static void Refill(HChan* c, Waiter** wake) {
    while (Sudog* sg = c->sendq.Dequeue()) {
      if constexpr (E::kMayThrow) {
        try {
          Append(c, sg->elem);
        } catch (...) {
          Env::Ready(
              Finish(sg, Outcome::kRetry));  // rare, so with the lock held
          continue;
        }
      } else {
        Append(c, sg->elem);
      }
      *wake = Finish(sg, Outcome::kDone);
      return;
    }
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE static Step SendStep(HChan* c, void* value,
                                                    Waiter** wake) {
    if (ABSL_PREDICT_FALSE(IsClosed(c))) return Step::kClosed;
    if (!c->recvq.empty()) {
      if (Sudog* sg = c->recvq.Dequeue()) {
        HandOver(c, sg->elem, value, sg, wake);
        return Step::kDone;
      }
    }
    if (Count(c) == c->capacity) return Step::kWouldBlock;
    Append(c, value);
    return Step::kDone;
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE static Step RecvStep(HChan* c, void* to,
                                                    Waiter** wake) {
    if (Count(c) != 0) {
      TakeOldest(c, to);
      if (!c->sendq.empty()) Refill(c, wake);
      return Step::kDone;
    }
    if (!c->sendq.empty()) {
      if (Sudog* sg = c->sendq.Dequeue()) {
        HandOver(c, to, sg->elem, sg, wake);
        return Step::kDone;
      }
    }
    return IsClosed(c) ? Step::kClosed : Step::kWouldBlock;
  }

  // Locks c, runs step(&wake), unlocks c and readies whom step woke, also if it
  // throws. If kStayLocked and the step would block, c is left locked, which is
  // more than the thread-safety analysis can express.
  template <bool kStayLocked, class F>
  ABSL_ATTRIBUTE_ALWAYS_INLINE static Step LockAndTry(HChan* c, F step)
      ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Waiter* wake = nullptr;
    Step result;
    c->lock.Lock();
    if constexpr (E::kMayThrow) {
      try {
        result = step(&wake);
      } catch (...) {
        c->lock.Unlock();
        if (wake != nullptr) Env::Ready(wake);
        throw;
      }
    } else {
      result = step(&wake);
    }
    if (kStayLocked && result == Step::kWouldBlock) return result;
    c->lock.Unlock();
    if (wake != nullptr) Env::Ready(wake);
    return result;
  }
};

// --- The operations ---------------------------------------------------------

template <class Env, class E>
bool BasicChanOps<Env, E>::Send(HChan* c, void* value) {
  using Steps = ChanSteps<Env, E>;
  Waiter* const w = Env::Current();
  for (;;) {
    const Step step = Steps::template LockAndTry</*kStayLocked=*/true>(
        c, [=](Waiter** wake) { return Steps::SendStep(c, value, wake); });
    if (step != Step::kWouldBlock) {
      Env::PreemptPoint(w);
      return step == Step::kDone;
    }
    const Outcome outcome = Steps::ParkOn(c, w, value, /*is_send=*/true);
    if (!E::kMayThrow || outcome != Outcome::kRetry) {
      return outcome == Outcome::kDone;
    }
  }
}

template <class Env, class E>
bool BasicChanOps<Env, E>::Recv(HChan* c, void* to) {
  using Steps = ChanSteps<Env, E>;
  Waiter* const w = Env::Current();
  for (;;) {
    const Step step = Steps::template LockAndTry</*kStayLocked=*/true>(
        c, [=](Waiter** wake) { return Steps::RecvStep(c, to, wake); });
    if (step != Step::kWouldBlock) {
      Env::PreemptPoint(w);
      return step == Step::kDone;
    }
    const Outcome outcome = Steps::ParkOn(c, w, to, /*is_send=*/false);
    if (!E::kMayThrow || outcome != Outcome::kRetry) {
      return outcome == Outcome::kDone;
    }
  }
}

template <class Env, class E>
Step BasicChanOps<Env, E>::TrySend(HChan* c, void* value) {
  using Steps = ChanSteps<Env, E>;
  const Step step = Steps::template LockAndTry</*kStayLocked=*/false>(
      c, [=](Waiter** wake) { return Steps::SendStep(c, value, wake); });
  Env::PreemptPoint(Env::Current());
  return step;
}

template <class Env, class E>
Step BasicChanOps<Env, E>::TryRecv(HChan* c, void* to) {
  using Steps = ChanSteps<Env, E>;
  const Step step = Steps::template LockAndTry</*kStayLocked=*/false>(
      c, [=](Waiter** wake) { return Steps::RecvStep(c, to, wake); });
  Env::PreemptPoint(Env::Current());
  return step;
}

template <class Env, class E>
Step BasicChanOps<Env, E>::SendLocked(HChan* c, void* value, Waiter** wake) {
  return ChanSteps<Env, E>::SendStep(c, value, wake);
}

template <class Env, class E>
Step BasicChanOps<Env, E>::RecvLocked(HChan* c, void* to, Waiter** wake) {
  return ChanSteps<Env, E>::RecvStep(c, to, wake);
}

// --- Life and end of a channel ----------------------------------------------

template <class Env>
BasicHChan<Env>* BasicHChan<Env>::Make(const ElemType* elem, size_t capacity) {
  using Core = ChanCore<Env>;
  // Every size and index then fits a ptrdiff_t. Go: maxAlloc.
  constexpr size_t kMaxBytes = PTRDIFF_MAX;
  const size_t unit = elem->size == 0 ? 1 : elem->size;
  if (capacity > (kMaxBytes - elem->ring_offset) / unit) {
    throw Panic("makechan: size out of range");
  }
  void* const memory = ::operator new(elem->ring_offset + capacity * elem->size,
                                      Core::Alignment(elem));
  return new (memory) BasicHChan(elem, capacity);
}

template <class Env>
void BasicHChan<Env>::Close() {
  using Core = ChanCore<Env>;
  lock.Lock();
  if (Core::IsClosed(this)) {
    lock.Unlock();
    throw Panic("close of closed channel");
  }
  // release: pairs with the acquire in RecvWouldBlock.
  closed.store(true, std::memory_order_release);
  BasicSudog<Env>* const receivers = recvq.TakeAll(!select_seen);
  BasicSudog<Env>* const senders = sendq.TakeAll(!select_seen);
  lock.Unlock();
  Core::ReadyAll(receivers);
  Core::ReadyAll(senders);
  Env::PreemptPoint(Env::Current());
}

template <class Env>
void BasicHChan<Env>::Unreferenced() {
  lock.Lock();
  // Whoever stands here can only be abandoned now: it operates on a channel
  // through a handle that somebody else has destroyed, as happens when a
  // channel is declared after the Runtime whose goroutines use it.
  orphaned = !recvq.empty() || !sendq.empty();
  const bool free = !orphaned;
  lock.Unlock();
  if (free) Free();
}

template <class Env>
void BasicHChan<Env>::Free() {
  using Core = ChanCore<Env>;
  if (elem->destroy != nullptr) {
    for (size_t n = Core::Count(this); n != 0; --n) {
      elem->destroy(ObjectElem::Slot(this, recvx));
      if (++recvx == capacity) recvx = 0;
    }
  }
  if (elem->release != nullptr) {
    elem->release(this);
    return;
  }
  const std::align_val_t alignment = Core::Alignment(elem);
  this->~BasicHChan();
  ::operator delete(this, alignment);
}

template <class Env>
bool RemoveSudog(BasicHChan<Env>* c, BasicSudog<Env>* sg) {
  c->lock.Lock();
  const bool removed = ChanCore<Env>::RemoveLocked(c, sg);
  c->lock.Unlock();
  return removed;
}

template <class Env>
bool Abandon(BasicHChan<Env>* c, BasicSudog<Env>* sg) {
  c->lock.Lock();
  const bool removed = ChanCore<Env>::RemoveLocked(c, sg);
  const bool free = c->orphaned && c->recvq.empty() && c->sendq.empty();
  c->lock.Unlock();
  if (free) c->Free();
  return removed;
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CHANNEL_HCHAN_OPS_H_
