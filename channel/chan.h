// Chan<T>: Go's channel. Goroutines and plain threads send and receive values
// of type T through it, in order, in any number and mix.
//
//   mpg::Chan<int> ch = mpg::MakeChan<int>(16);
//   std::thread t([ch] {
//     for (int i = 0; i < 100; ++i) ch.Send(i);
//     ch.Close();
//   });
//   for (int v : ch) Use(v);    // until closed and drained
//   t.join();
//
// Behaviour, as Go's specification and chan.go have it:
//  - Unbuffered (capacity 0): Send returns when a receiver has the value. Else
//    Send blocks only while `capacity` values wait.
//  - Senders and receivers that block are served first come, first served.
//  - After Close, Recv returns what is buffered, then nullopt; Send throws
//    Panic("send on closed channel"), also in senders that were blocked.
//  - On a nil channel, a handle that came from no MakeChan, Send and Recv block
//    for ever, TrySend and TryRecv never succeed, Len and Cap are 0.
//
// A handle is a counted reference: copying one gives another name for the same
// channel. The channel and the values still in it end with the last handle. The
// methods are const because they change the channel, not the handle.
//
// Thread safety: methods may be called from any thread at once, from goroutines
// and others. One handle object is as a std::shared_ptr: assign to it or
// destroy it only while nobody else uses that same object. Not for signal
// handlers.
//
// What blocks: Send and Recv, as said; range-for. Every method other than those
// may briefly give way to other goroutines, but does not wait for any.
//
// Memory order: what happened before a Send is visible after the Recv that got
// its value; before Close, after a Recv that reports closed; before the k-th
// Recv, after the (k + capacity)-th Send (Go's memory model).
//
// T: move-constructible, and destructible without throwing; any size and
// alignment; may be incomplete where Chan<T> is only named. Moving happens under
// the channel's lock, so T's move constructor and destructor must not use mpg.
// If the move constructor throws, the Send or Recv that ran it throws and has
// not happened; see hchan.h.
#ifndef MPG_CHANNEL_CHAN_H_
#define MPG_CHANNEL_CHAN_H_

#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/base/optimization.h"
#include "base/park.h"
#include "base/wait_reason.h"
#include "channel/hchan.h"

namespace mpg {

template <class T>
class Chan;
template <class T>
class SendChan;
template <class T>
class RecvChan;
template <class T>
Chan<T> MakeChan(size_t capacity = 0);

namespace internal {

// What the three handles have in common: the counted reference, and all that
// does not depend on T.
struct ChanAccess;

class ChanHandle {
 public:
  size_t Len() const { return c_ == nullptr ? 0 : c_->Len(); }
  size_t Cap() const { return c_ == nullptr ? 0 : c_->capacity; }
  explicit operator bool() const { return c_ != nullptr; }

  // For Select and its like. Stays the handle's.
  HChan* hchan() const { return c_; }

  template <class H>
  friend H AbslHashValue(H h, const ChanHandle& handle) {
    return H::combine(std::move(h), handle.c_);
  }

 protected:
  ChanHandle() = default;
  explicit ChanHandle(HChan* c) : c_(c) {}  // takes the caller's reference
  ChanHandle(const ChanHandle& other) : c_(other.c_) {
    if (c_ != nullptr) c_->Ref();
  }
  ChanHandle(ChanHandle&& other) noexcept
      : c_(std::exchange(other.c_, nullptr)) {}
  ChanHandle& operator=(const ChanHandle& other) {
    ChanHandle copy(other);
    std::swap(c_, copy.c_);
    return *this;
  }
  ChanHandle& operator=(ChanHandle&& other) noexcept {
    ChanHandle taken(std::move(other));
    std::swap(c_, taken.c_);
    return *this;
  }
  ~ChanHandle() {
    if (c_ != nullptr) c_->Unref();
  }

  void CloseChan() const {
    if (c_ == nullptr) ThrowCloseOfNil();
    c_->Close();
  }

 private:
  HChan* c_ = nullptr;
};

// The operations with their types back on. `c` may be null: a nil channel.
template <class T>
struct TypedOps {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> &&
                    !std::is_array_v<T>,
                "a channel's element is a value");
  static_assert(std::is_move_constructible_v<T>);
  static_assert(std::is_nothrow_destructible_v<T>);
  using Ops = ChanOps<typename ElemOf<T>::Elem>;

  static void Send(HChan* c, T& value) {
    if (ABSL_PREDICT_FALSE(c == nullptr)) {
      BlockForever(WaitReason::kChanSendNil);
    }
    bool sent;
    if constexpr (kIsWord<T>) {
      Word<T> word(value);
      sent = Ops::Send(c, word.data());
    } else {
      sent = Ops::Send(c, &value);
    }
    if (ABSL_PREDICT_FALSE(!sent)) ThrowSendOnClosed();
  }

  // REQUIRES: !result.
  static void RecvInto(HChan* c, std::optional<T>& result) {
    if (ABSL_PREDICT_FALSE(c == nullptr)) {
      BlockForever(WaitReason::kChanReceiveNil);
    }
    if constexpr (kIsWord<T>) {
      Word<T> word;
      if (Ops::Recv(c, word.data())) result.emplace(word.Get());
    } else {
      Ops::Recv(c, &result);
    }
  }

  static std::optional<T> Recv(HChan* c) {
    if constexpr (kIsWord<T>) {
      return RecvWord(c);
    } else {
      return RecvObject(c);
    }
  }

  // Not within Recv: clang gives up constructing `result` in place, which is a
  // promise, where there is a second return, even one that is discarded.
  static std::optional<T> RecvObject(HChan* c) {
    std::optional<T> result;
    RecvInto(c, result);
    return result;
  }

  // A word gets into its optional in registers: gcc, when it has to write the
  // optional in memory, does so in pieces and then copies it in one, which waits
  // for the pieces.
  static std::optional<T> RecvWord(HChan* c) {
    if (ABSL_PREDICT_FALSE(c == nullptr)) {
      BlockForever(WaitReason::kChanReceiveNil);
    }
    Word<T> word;
    if (!Ops::Recv(c, word.data())) return std::nullopt;
    return word.Get();
  }

  static bool TrySend(HChan* c, T& value) {
    if (c == nullptr || c->SendWouldBlock()) {
      PreemptPoint();
      return false;
    }
    Step step;
    if constexpr (kIsWord<T>) {
      Word<T> word(value);
      step = Ops::TrySend(c, word.data());
    } else {
      step = Ops::TrySend(c, &value);
    }
    if (ABSL_PREDICT_FALSE(step == Step::kClosed)) ThrowSendOnClosed();
    return step == Step::kDone;
  }

  static std::optional<T> TryRecv(HChan* c, bool* closed) {
    if constexpr (kIsWord<T>) {
      return TryRecvWord(c, closed);
    } else {
      return TryRecvObject(c, closed);
    }
  }

  static std::optional<T> TryRecvObject(HChan* c, bool* closed) {
    std::optional<T> result;
    TryRecvInto(c, &result, closed);
    return result;
  }

  static std::optional<T> TryRecvWord(HChan* c, bool* closed) {
    Word<T> word;
    if (!TryRecvInto(c, word.data(), closed)) return std::nullopt;
    return word.Get();
  }

  static bool TryRecvInto(HChan* c, void* to, bool* closed) {
    if (closed != nullptr) *closed = false;
    if (c == nullptr || c->RecvWouldBlock()) {
      PreemptPoint();
      return false;
    }
    const Step step = Ops::TryRecv(c, to);
    if (closed != nullptr) *closed = step == Step::kClosed;
    return step == Step::kDone;
  }
};

// What range-for over a channel iterates with. Each step receives.
template <class T>
class RecvIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = T*;
  using reference = T&&;

  RecvIterator() = default;  // the end
  explicit RecvIterator(HChan* c) : c_(c) { ++*this; }

  // An rvalue, so that `for (T v : ch)` moves the value out.
  T&& operator*() { return *std::move(value_); }
  T* operator->() { return &*value_; }
  RecvIterator& operator++() {
    value_.reset();
    TypedOps<T>::RecvInto(c_, value_);
    return *this;
  }
  void operator++(int) { ++*this; }

  // Equal: both have a value to give, or neither has.
  friend bool operator==(const RecvIterator& a, const RecvIterator& b) {
    return a.value_.has_value() == b.value_.has_value();
  }
  friend bool operator!=(const RecvIterator& a, const RecvIterator& b) {
    return !(a == b);
  }

 private:
  HChan* c_ = nullptr;
  std::optional<T> value_;
};

}  // namespace internal

// A handle one can only send on. Go: chan<- T.
template <class T>
class SendChan : public internal::ChanHandle {
 public:
  SendChan() = default;

  // See Chan.
  void Send(T value) const { internal::TypedOps<T>::Send(hchan(), value); }
  bool TrySend(T& value) const {
    return internal::TypedOps<T>::TrySend(hchan(), value);
  }
  void Close() const { CloseChan(); }

  friend bool operator==(const SendChan& a, const SendChan& b) {
    return a.hchan() == b.hchan();
  }
  friend bool operator!=(const SendChan& a, const SendChan& b) {
    return !(a == b);
  }

 private:
  friend class Chan<T>;
  explicit SendChan(const internal::ChanHandle& h) : ChanHandle(h) {}
};

// A handle one can only receive from; it cannot close. Go: <-chan T.
template <class T>
class RecvChan : public internal::ChanHandle {
 public:
  using iterator = internal::RecvIterator<T>;

  RecvChan() = default;

  // See Chan.
  std::optional<T> Recv() const { return internal::TypedOps<T>::Recv(hchan()); }
  std::optional<T> TryRecv(bool* closed = nullptr) const {
    return internal::TypedOps<T>::TryRecv(hchan(), closed);
  }
  iterator begin() const { return iterator(hchan()); }
  iterator end() const { return iterator(); }

  friend bool operator==(const RecvChan& a, const RecvChan& b) {
    return a.hchan() == b.hchan();
  }
  friend bool operator!=(const RecvChan& a, const RecvChan& b) {
    return !(a == b);
  }

 private:
  friend class Chan<T>;
  friend struct internal::ChanAccess;
  explicit RecvChan(const internal::ChanHandle& h) : ChanHandle(h) {}
  explicit RecvChan(internal::HChan* c) : ChanHandle(c) {}
};

namespace internal {

// For what makes its channels itself.
struct ChanAccess {
  // Takes the caller's reference.
  template <class T>
  static RecvChan<T> Adopt(HChan* c) {
    return RecvChan<T>(c);
  }
};

}  // namespace internal

// A handle one can send on and receive from. Go: chan T. Converts to the
// others.
template <class T>
class Chan : public internal::ChanHandle {
 public:
  using iterator = internal::RecvIterator<T>;

  Chan() = default;  // the nil channel

  // Blocks until a receiver or the buffer has taken `value`.
  // Throws Panic if the channel is closed, or is closed while this blocks.
  void Send(T value) const { internal::TypedOps<T>::Send(hchan(), value); }

  // Blocks for a value. nullopt: the channel is closed and drained.
  std::optional<T> Recv() const { return internal::TypedOps<T>::Recv(hchan()); }

  // Send if that does not block. False: it would, and `value` is untouched.
  // Throws Panic if the channel is closed.
  bool TrySend(T& value) const {
    return internal::TypedOps<T>::TrySend(hchan(), value);
  }

  // Recv if that does not block, else nullopt. *closed, if wanted, tells closed
  // and drained (true) from nothing there now (false).
  std::optional<T> TryRecv(bool* closed = nullptr) const {
    return internal::TypedOps<T>::TryRecv(hchan(), closed);
  }

  // No value will be sent any more: wakes all that wait. Throws Panic if the
  // channel is nil or closed already.
  void Close() const { CloseChan(); }

  // size_t Len() const: values in the buffer. size_t Cap() const: its size.
  // explicit operator bool: not nil. Equality and hash are by identity.

  // For `for (T v : ch)`, which receives until the channel is closed.
  iterator begin() const { return iterator(hchan()); }
  iterator end() const { return iterator(); }

  operator SendChan<T>() const { return SendChan<T>(base()); }
  operator RecvChan<T>() const { return RecvChan<T>(base()); }

  friend bool operator==(const Chan& a, const Chan& b) {
    return a.hchan() == b.hchan();
  }
  friend bool operator!=(const Chan& a, const Chan& b) { return !(a == b); }

 private:
  friend Chan MakeChan<T>(size_t capacity);
  const ChanHandle& base() const { return *this; }
  explicit Chan(internal::HChan* c) : ChanHandle(c) {}
};

// A new channel that buffers `capacity` values. Throws Panic if that many
// cannot be addressed, std::bad_alloc if there is no memory for them.
template <class T>
Chan<T> MakeChan(size_t capacity) {
  return Chan<T>(internal::HChan::Make(&internal::ElemOf<T>::kType, capacity));
}

}  // namespace mpg

template <class T>
struct std::hash<mpg::Chan<T>> {
  size_t operator()(const mpg::Chan<T>& ch) const {
    return std::hash<const void*>()(ch.hchan());
  }
};
template <class T>
struct std::hash<mpg::SendChan<T>> {
  size_t operator()(const mpg::SendChan<T>& ch) const {
    return std::hash<const void*>()(ch.hchan());
  }
};
template <class T>
struct std::hash<mpg::RecvChan<T>> {
  size_t operator()(const mpg::RecvChan<T>& ch) const {
    return std::hash<const void*>()(ch.hchan());
  }
};

#endif  // MPG_CHANNEL_CHAN_H_
