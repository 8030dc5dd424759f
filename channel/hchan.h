// HChan: a channel without its element type; the core under Chan<T> and Select.
// Users want chan.h. Go: hchan, makechan, chansend, chanrecv, closechan
// (chan.go).
//
// One allocation holds the header and, behind it, the ring buffer. The header's
// first 64 bytes, one cache line, hold all that a Send or Recv touches.
//
// Thread safety: all functions from any thread, except where said otherwise.
//
// Invariants, whenever `lock` is free, counting only those Sudogs whose Select
// has not been won elsewhere:
//  (1) sendq or recvq is empty, except that a Select that both sends and
//      receives on an unbuffered channel stands in both.
//  (2) recvq has someone only if count == 0; sendq only if count == capacity.
//  (3) A closed channel's queues are empty, and it never opens again.
//  (4) refs counts the handles. At refs == 0 nobody can operate on the channel
//      any more, but waiters may stand in its queues; it is freed when the last
//      of them is gone (they can only be abandoned, see park.h).
//
// An element's move constructor may throw. Then the operation that moved it
// throws, the lock is released and the channel is as before; a parked partner
// that the value would have come from or gone to starts its operation again, at
// the end of the queue.
#ifndef MPG_CHANNEL_HCHAN_H_
#define MPG_CHANNEL_HCHAN_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

#include "base/wait_reason.h"
#include "channel/chan_env.h"
#include "channel/elem_type.h"
#include "channel/sudog.h"

namespace mpg {
namespace internal {

template <class Env>
struct alignas(16) BasicHChan {
  using ElemType = BasicElemType<Env>;
  using WaitQueue = BasicWaitQueue<Env>;
  template <class T>
  using Atomic = typename Env::template Atomic<T>;

  // Throws Panic if the buffer cannot be addressed, std::bad_alloc if it cannot
  // be had. The caller holds the first reference.
  static BasicHChan* Make(const ElemType* elem, size_t capacity);

  // The same in `memory`, SizeIn bytes. For words, and an ElemType with `release`.
  static BasicHChan* MakeIn(void* memory, const ElemType* elem,
                            size_t capacity) {
    return new (memory) BasicHChan(elem, capacity);
  }
  // Bytes that a channel of words takes.
  static constexpr size_t SizeIn(const ElemType& elem, size_t capacity) {
    return sizeof(BasicHChan) + capacity * elem.size;
  }

  void Ref() {
    // relaxed: the caller has a reference, so this publishes nothing.
    refs.fetch_add(1, std::memory_order_relaxed);
  }
  void Unref() {
    // acq_rel: what others did before their Unref is visible to who frees.
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) Unreferenced();
  }

  // Throws Panic if the channel is closed already.
  void Close();

  size_t Len() const {
    // relaxed: by the time the caller looks at it the answer may be out of date
    // anyway.
    return count.load(std::memory_order_relaxed);
  }

  // At some moment during the call, nothing was there to be received: neither a
  // buffered value nor a parked sender. Go: empty.
  bool Empty() const {
    // acquire: the caller's next look at `closed` comes later in time.
    return capacity == 0 ? sendq.EmptyRelaxedly()
                         : count.load(std::memory_order_acquire) == 0;
  }

  // At some moment during the call, nothing could be sent without blocking. Go:
  // full.
  bool Full() const {
    return capacity == 0 ? recvq.EmptyRelaxedly()
                         : count.load(std::memory_order_acquire) == capacity;
  }

  // True if a TryRecv that happened during this call would have returned
  // kWouldBlock. Takes no lock.
  bool RecvWouldBlock() const {
    // First that there is nothing, then that the channel is open. Since a
    // channel never opens again, it was also open at the earlier moment when
    // there was nothing: at that moment the answer was right. The acquire in
    // Empty keeps the two looks in this order.
    // acquire: pairs with the release in Close, so that who goes on because it
    // saw `closed` sees all that was sent before.
    return Empty() && !closed.load(std::memory_order_acquire);
  }

  // True if a TrySend that happened during this call would have returned
  // kWouldBlock. Takes no lock.
  bool SendWouldBlock() const {
    // First that the channel is open, then that there is no room. If it was
    // closed in between, then there was no room at that moment either: closing
    // takes the buffer's values away from nobody, and before it the channel was
    // open and without room.
    // acquire: keeps the two looks in this order.
    return !closed.load(std::memory_order_acquire) && Full();
  }

  // --- guarded by `lock`; what is atomic is also read without it
  typename Env::Lock lock;
  Atomic<bool> closed{false};
  // A Select has stood in one of the queues, ever.
  bool select_seen = false;
  // refs reached 0 while somebody stood in a queue.
  bool orphaned = false;
  Atomic<size_t> count{0};
  const size_t capacity;
  size_t recvx = 0;  // ring index of the oldest value; the newest is at
                     // (recvx + count - 1) mod capacity (Go keeps sendx)
  WaitQueue recvq;
  WaitQueue sendq;
  // --- not touched by Send and Recv of words
  const ElemType* const elem;
  Atomic<size_t> refs{1};
  // --- here, or aligned further up for T, begins the ring

  // Ends the values in the ring and the channel itself.
  void Free();

 private:
  BasicHChan(const ElemType* e, size_t n) : capacity(n), elem(e) {}
  ~BasicHChan() = default;

  void Unreferenced();
};

using HChan = BasicHChan<ParkEnv>;
using ElemType = BasicElemType<ParkEnv>;

template <class Env>
inline constexpr size_t kMinRingOffset = sizeof(BasicHChan<Env>);
static_assert(sizeof(HChan) == 80, "a cache line, and the cold part");

// The operations for the element representation E, see elem_type.h for what
// `value` and `to` point to. E is WordElem<0, 1, 4, 8 or 16> or ObjectElem.
template <class Env, class E>
struct BasicChanOps {
  using HChan = BasicHChan<Env>;
  using Waiter = typename Env::Waiter;

  // False: the channel is closed (Send), or closed and drained (Recv).
  // They park until they can tell.
  static bool Send(HChan* c, void* value);
  static bool Recv(HChan* c, void* to);
  static Step TrySend(HChan* c, void* value);
  static Step TryRecv(HChan* c, void* to);
  // See ElemType.
  static Step SendLocked(HChan* c, void* value, Waiter** wake);
  static Step RecvLocked(HChan* c, void* to, Waiter** wake);
};

template <class E>
using ChanOps = BasicChanOps<ParkEnv, E>;

template <size_t kSize>
struct WordElem;
struct ObjectElem;

// Takes `sg` off its queue in c. False: it was not queued any more.
template <class Env>
bool RemoveSudog(BasicHChan<Env>* c, BasicSudog<Env>* sg);

// Takes a parked waiter's Sudog off its channel, because its scheduler ends.
// False: it was not queued any more; whoever took it is about to Ready it.
template <class Env>
bool Abandon(BasicHChan<Env>* c, BasicSudog<Env>* sg);

// All of the above is defined in hchan_ops.h and compiled once, in hchan.cc.
extern template struct BasicHChan<ParkEnv>;
extern template struct BasicChanOps<ParkEnv, WordElem<0>>;
extern template struct BasicChanOps<ParkEnv, WordElem<1>>;
extern template struct BasicChanOps<ParkEnv, WordElem<4>>;
extern template struct BasicChanOps<ParkEnv, WordElem<8>>;
extern template struct BasicChanOps<ParkEnv, WordElem<16>>;
extern template struct BasicChanOps<ParkEnv, ObjectElem>;
extern template bool RemoveSudog(HChan* c, Sudog* sg);
extern template bool Abandon(HChan* c, Sudog* sg);

// A nil channel. Blocks for ever; never returns.
void BlockForever(WaitReason reason);

[[noreturn]] void ThrowSendOnClosed();
[[noreturn]] void ThrowCloseOfNil();

// The representation of T, and the ElemType that goes with it.
template <class T, class Env = ParkEnv, bool = kIsWord<T>>
struct ElemOf {
  using Elem = WordElem<WordSize<T>()>;
  static constexpr BasicElemType<Env> kType = {
      WordSize<T>(),
      WordSize<T>() == 0 ? 1 : WordSize<T>(),
      kMinRingOffset<Env>,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      &BasicChanOps<Env, Elem>::SendLocked,
      &BasicChanOps<Env, Elem>::RecvLocked,
  };
};

template <class T, class Env>
struct ElemOf<T, Env, false> {
  using Elem = ObjectElem;
  static constexpr BasicElemType<Env> kType = {
      sizeof(T),
      alignof(T),
      (kMinRingOffset<Env> + alignof(T) - 1) / alignof(T) * alignof(T),
      &ObjectFunctions<T>::Move,
      &ObjectFunctions<T>::Deliver,
      std::is_trivially_destructible_v<T> ? nullptr
                                          : &ObjectFunctions<T>::Destroy,
      nullptr,
      &BasicChanOps<Env, Elem>::SendLocked,
      &BasicChanOps<Env, Elem>::RecvLocked,
  };
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CHANNEL_HCHAN_H_
