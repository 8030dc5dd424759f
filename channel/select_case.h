// The cases of a Select, as OnRecv, OnSend and OnDefault return them. Users
// want select.h.
//
// They refer to what they were made from (channel, value, handler) rather than
// keep it, so that an ordinary Select costs no reference count, no copy and no
// allocation. All of that lives to the end of the full expression, as does the
// call of Select.
//
// What Select does with a case: Prepare a Sudog for SelectGo, then, once it is
// chosen, Run its handler. Try and Block are the short ways of a Select with
// one case.
#ifndef MPG_CHANNEL_SELECT_CASE_H_
#define MPG_CHANNEL_SELECT_CASE_H_

#include <optional>
#include <type_traits>
#include <utility>

#include "base/park.h"
#include "base/wait_reason.h"
#include "channel/chan.h"
#include "channel/elem_type.h"
#include "channel/hchan.h"
#include "channel/sudog.h"

namespace mpg {
namespace internal {

// Where a received T lands, in its representation (elem_type.h).
template <class T, bool = kIsWord<T>>
class Landing {
 public:
  void* data() { return word_.data(); }
  std::optional<T> Take(bool ok) {
    return ok ? std::optional<T>(word_.Get()) : std::nullopt;
  }

 private:
  Word<T> word_;
};
template <class T>
class Landing<T, false> {
 public:
  void* data() { return &value_; }
  std::optional<T>&& Take(bool ok) {
    if (!ok) value_.reset();  // of an earlier use
    return std::move(value_);
  }

 private:
  std::optional<T> value_;
};

// From where T is sent: S is T (kept here) or T& (the caller's object, which is
// moved from only if its case is chosen).
template <class T, class S, bool = kIsWord<T>>
class Departure {
 public:
  template <class V>
  explicit Departure(V&& value) : word_(T(std::forward<V>(value))) {}
  void* data() { return word_.data(); }
  T Take() { return word_.Get(); }

 private:
  Word<T> word_;
};
template <class T, class S>
class Departure<T, S, false> {
 public:
  template <class V>
  explicit Departure(V&& value)
      : value_(static_cast<std::conditional_t<std::is_reference_v<S>, S, V&&>>(
            value)) {}
  void* data() { return &value_; }
  T&& Take() { return std::move(value_); }

 private:
  S value_;
};

inline void FillSudog(Sudog* sg, HChan* c, void* elem, bool is_send) {
  sg->chan = c;
  sg->elem = elem;
  sg->is_send = is_send;
}

// The handler of a case without one.
struct NoHandler {
  void operator()() const {}
};
inline constexpr NoHandler kNoHandler;

// In the three kinds of cases, F is what the handler's forwarding reference was
// deduced to: F for an rvalue, F& for an lvalue.

template <class T, class F>
class RecvCase {
 public:
  static constexpr bool kIsDefault = false;

  RecvCase(HChan* c, F& handler) : c_(c), handler_(handler) {}
  RecvCase(const RecvCase&) = delete;
  RecvCase& operator=(const RecvCase&) = delete;

  void Prepare(Sudog* sg) { FillSudog(sg, c_, landing_.data(), false); }
  void Run(bool ok) {
    if constexpr (std::is_invocable_v<F&, std::optional<T>>) {
      handler_(landing_.Take(ok));
    } else {
      handler_();
    }
  }
  Step Try() {
    if (c_ == nullptr || c_->RecvWouldBlock()) {
      PreemptPoint();
      return Step::kWouldBlock;
    }
    return TypedOps<T>::Ops::TryRecv(c_, landing_.data());
  }
  bool Block() {
    if (c_ == nullptr) BlockForever(WaitReason::kChanReceiveNil);
    return TypedOps<T>::Ops::Recv(c_, landing_.data());
  }

  HChan* hchan() const { return c_; }
  F&& TakeHandler() { return static_cast<F&&>(handler_); }

 private:
  HChan* const c_;
  F& handler_;
  Landing<T> landing_;
};

template <class T, class S, class F>
class SendCase {
 public:
  static constexpr bool kIsDefault = false;

  template <class V>
  SendCase(HChan* c, V&& value, F& handler)
      : c_(c), handler_(handler), departure_(std::forward<V>(value)) {}
  SendCase(const SendCase&) = delete;
  SendCase& operator=(const SendCase&) = delete;

  void Prepare(Sudog* sg) { FillSudog(sg, c_, departure_.data(), true); }
  void Run(bool ok) {
    if (!ok) ThrowSendOnClosed();
    handler_();
  }
  Step Try() {
    if (c_ == nullptr || c_->SendWouldBlock()) {
      PreemptPoint();
      return Step::kWouldBlock;
    }
    return TypedOps<T>::Ops::TrySend(c_, departure_.data());
  }
  bool Block() {
    if (c_ == nullptr) BlockForever(WaitReason::kChanSendNil);
    return TypedOps<T>::Ops::Send(c_, departure_.data());
  }

  HChan* hchan() const { return c_; }
  F&& TakeHandler() { return static_cast<F&&>(handler_); }
  decltype(auto) TakeValue() { return departure_.Take(); }

 private:
  HChan* const c_;
  F& handler_;
  Departure<T, S> departure_;
};

template <class F>
class DefaultCase {
 public:
  static constexpr bool kIsDefault = true;

  explicit DefaultCase(F& handler) : handler_(handler) {}
  DefaultCase(const DefaultCase&) = delete;
  DefaultCase& operator=(const DefaultCase&) = delete;

  void Run(bool) { handler_(); }
  F&& TakeHandler() { return static_cast<F&&>(handler_); }

 private:
  F& handler_;
};

template <class C>
inline constexpr bool kIsCase = false;
template <class T, class F>
inline constexpr bool kIsCase<RecvCase<T, F>> = true;
template <class T, class S, class F>
inline constexpr bool kIsCase<SendCase<T, S, F>> = true;
template <class F>
inline constexpr bool kIsCase<DefaultCase<F>> = true;

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CHANNEL_SELECT_CASE_H_
