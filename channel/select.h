// Select: Go's select statement. Waits for the first of several sends and
// receives that can go ahead, does that one, and runs its handler.
//
//   int chosen = mpg::Select(
//       mpg::OnRecv(requests, [&](std::optional<Request> r) {
//         if (r) Serve(*r);            // nullopt: `requests` is closed
//       }),
//       mpg::OnSend(log, std::move(line), [&] { ++logged; }),
//       mpg::OnRecv(quit, [&] { running = false; }),
//       mpg::OnDefault([&] { Idle(); }));
//
// Behaviour is that of Go's specification:
//  - If several cases can go ahead, one is chosen uniformly at random.
//  - If none can, the default runs; without one, Select blocks.
//  - A case with a nil channel never goes ahead. Select() blocks for ever.
//  - Receiving from a closed channel goes ahead; sending on one too, and throws
//    Panic("send on closed channel").
//  - A channel may occur in several cases, also as both ends.
// The result is the index of the case that ran among the arguments.
//
// Handlers are optional. They run after the choice is made and everything is
// unlocked and off the queues: they may block, select again, or throw through
// Select. OnRecv's takes a std::optional<T>, or nothing.
//
// OnSend(ch, value): an rvalue is moved from only if its case is chosen (by a
// receiver, perhaps, that runs at the same time: leave the object alone until
// Select returns). An lvalue is copied first.
//
// Use OnRecv, OnSend and OnDefault only as arguments of Select, or to make a
// SelectCase: they refer to their arguments.
//
// Thread safety: from any thread, as Chan. What blocks: Select without default.
// Cost: no allocation up to 16 cases. A Select of one case is a Send or Recv,
// with a default beside it a TrySend or TryRecv.
// If moving a value throws, Select throws that and no case has happened.
#ifndef MPG_CHANNEL_SELECT_H_
#define MPG_CHANNEL_SELECT_H_

#include <memory>
#include <type_traits>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/types/span.h"
#include "channel/chan.h"
#include "channel/hchan.h"
#include "channel/select_case.h"
#include "channel/selectgo.h"
#include "channel/sudog.h"

namespace mpg {
namespace internal {

// What OnSend(ch, V&&) sends from: the caller's object if that is an rvalue T,
// else a T of its own.
template <class T, class V>
using SendFrom = std::conditional_t<std::is_same_v<V, T>, T&, T>;

}  // namespace internal

// Receive from `ch`.
template <class T, class F>
ABSL_MUST_USE_RESULT auto OnRecv(const RecvChan<T>& ch, F&& handler) {
  return internal::RecvCase<T, F>(ch.hchan(), handler);
}
template <class T, class F>
ABSL_MUST_USE_RESULT auto OnRecv(const Chan<T>& ch, F&& handler) {
  return internal::RecvCase<T, F>(ch.hchan(), handler);
}
template <class C>
ABSL_MUST_USE_RESULT auto OnRecv(const C& ch) {
  return OnRecv(ch, internal::kNoHandler);
}

// Send `value`, a T or what converts to one, on `ch`.
template <class T, class V, class F>
ABSL_MUST_USE_RESULT auto OnSend(const SendChan<T>& ch, V&& value,
                                 F&& handler) {
  return internal::SendCase<T, internal::SendFrom<T, V>, F>(
      ch.hchan(), std::forward<V>(value), handler);
}
template <class T, class V, class F>
ABSL_MUST_USE_RESULT auto OnSend(const Chan<T>& ch, V&& value, F&& handler) {
  return internal::SendCase<T, internal::SendFrom<T, V>, F>(
      ch.hchan(), std::forward<V>(value), handler);
}
template <class C, class V>
ABSL_MUST_USE_RESULT auto OnSend(const C& ch, V&& value) {
  return OnSend(ch, std::forward<V>(value), internal::kNoHandler);
}

// If nothing else can go ahead. At most one in a Select.
template <class F>
ABSL_MUST_USE_RESULT auto OnDefault(F&& handler) {
  return internal::DefaultCase<F>(handler);
}
ABSL_MUST_USE_RESULT inline auto OnDefault() {
  return OnDefault(internal::kNoHandler);
}

// A case by itself, for sets of cases known only at run time; made from what
// OnRecv, OnSend or OnDefault returns. It holds its channel, value and handler,
// and can be used in many Selects. A value that has been sent is moved-from, as
// the object in Send(std::move(x)) is: give such a case a channel of trivially
// copyable elements, or make it anew.
class SelectCase {
 public:
  template <class T, class F>
  SelectCase(internal::RecvCase<T, F>&& c);  // NOLINT(runtime/explicit)
  template <class T, class S, class F>
  SelectCase(internal::SendCase<T, S, F>&& c);  // NOLINT(runtime/explicit)
  template <class F>
  SelectCase(internal::DefaultCase<F>&& c);  // NOLINT(runtime/explicit)

  SelectCase(SelectCase&&) = default;
  SelectCase& operator=(SelectCase&&) = default;

 private:
  friend int Select(absl::Span<SelectCase> cases);
  struct Kept {
    virtual ~Kept() = default;
    // False: this is a default, which has no Sudog.
    virtual bool Prepare(internal::Sudog* sg) = 0;
    virtual void Run(bool ok) = 0;
  };
  template <class T, class F>
  struct KeptRecv;
  template <class T, class F>
  struct KeptSend;
  template <class F>
  struct KeptDefault;

  std::unique_ptr<Kept> kept_;
};

// As the Select below. Throws Panic if there is more than one default.
int Select(absl::Span<SelectCase> cases);

// Does one of `cases`; see above.
template <class... Cases>
std::enable_if_t<(... && internal::kIsCase<Cases>), int> Select(
    Cases&&... cases);

// ---------------------------------------------------------------------------
// Implementation.

namespace internal {

// One more reference to a channel.
class ChanRef {
 public:
  explicit ChanRef(HChan* c) : c_(c) {
    if (c != nullptr) c->Ref();
  }
  ~ChanRef() {
    if (c_ != nullptr) c_->Unref();
  }
  ChanRef(const ChanRef&) = delete;
  ChanRef& operator=(const ChanRef&) = delete;

 private:
  HChan* const c_;
};

}  // namespace internal

template <class T, class F>
struct SelectCase::KeptRecv : Kept {
  template <class H>
  KeptRecv(internal::HChan* c, H&& f)
      : channel(c), handler(std::forward<H>(f)), recv(c, handler) {}
  bool Prepare(internal::Sudog* sg) override {
    recv.Prepare(sg);
    return true;
  }
  void Run(bool ok) override { recv.Run(ok); }

  const internal::ChanRef channel;
  F handler;
  internal::RecvCase<T, F&> recv;
};

template <class T, class F>
struct SelectCase::KeptSend : Kept {
  template <class V, class H>
  KeptSend(internal::HChan* c, V&& value, H&& f)
      : channel(c),
        handler(std::forward<H>(f)),
        send(c, std::forward<V>(value), handler) {}
  bool Prepare(internal::Sudog* sg) override {
    send.Prepare(sg);
    return true;
  }
  void Run(bool ok) override { send.Run(ok); }

  const internal::ChanRef channel;
  F handler;
  internal::SendCase<T, T, F&> send;
};

template <class F>
struct SelectCase::KeptDefault : Kept {
  template <class H>
  explicit KeptDefault(H&& f) : handler(std::forward<H>(f)) {}
  bool Prepare(internal::Sudog*) override { return false; }
  void Run(bool) override { handler(); }

  F handler;
};

// A handler that was an lvalue is copied, like one captured by a lambda.
template <class T, class F>
SelectCase::SelectCase(internal::RecvCase<T, F>&& c)
    : kept_(std::make_unique<KeptRecv<T, std::decay_t<F>>>(c.hchan(),
                                                           c.TakeHandler())) {}
template <class T, class S, class F>
SelectCase::SelectCase(internal::SendCase<T, S, F>&& c)
    : kept_(std::make_unique<KeptSend<T, std::decay_t<F>>>(
          c.hchan(), c.TakeValue(), c.TakeHandler())) {}
template <class F>
SelectCase::SelectCase(internal::DefaultCase<F>&& c)
    : kept_(std::make_unique<KeptDefault<std::decay_t<F>>>(c.TakeHandler())) {}

namespace internal {

// Where among Cases the default stands; -1: there is none.
template <class... Cases>
constexpr int DefaultAt() {
  const bool is_default[] = {Cases::kIsDefault..., true};
  int at = 0;
  while (!is_default[at]) ++at;
  return at == sizeof...(Cases) ? -1 : at;
}

// A Select whose only channel is that of `c`.
template <bool kBlock, class Case>
SelectResult SelectOne(Case& c) {
  if constexpr (kBlock) {
    return {0, c.Block()};
  } else {
    const Step step = c.Try();
    return {step == Step::kWouldBlock ? -1 : 0, step == Step::kDone};
  }
}

template <bool kBlock, class... Cases>
SelectResult SelectSome(Cases&... cases) {
  constexpr int kChannels = (0 + ... + !Cases::kIsDefault);
  Sudog sudogs[kChannels + 1];  // never of length 0
  int order[kChannels + 1];
  Sudog* next = sudogs;
  [[maybe_unused]] const auto prepare = [&next](auto& c) {
    if constexpr (!std::decay_t<decltype(c)>::kIsDefault) c.Prepare(next++);
  };
  (prepare(cases), ...);
  return SelectGo(sudogs, order, kChannels, kBlock);
}

}  // namespace internal

template <class... Cases>
std::enable_if_t<(... && internal::kIsCase<Cases>), int> Select(
    Cases&&... cases) {
  constexpr int kChannels = (0 + ... + !Cases::kIsDefault);
  constexpr int kDefaultAt = internal::DefaultAt<Cases...>();
  constexpr bool kBlock = kDefaultAt < 0;
  static_assert(sizeof...(Cases) - kChannels <= 1,
                "a select has at most one default");
  internal::SelectResult result = {-1, false};
  if constexpr (kChannels == 1) {
    const auto select = [&result](auto& c) {
      if constexpr (!std::decay_t<decltype(c)>::kIsDefault) {
        result = internal::SelectOne<kBlock>(c);
      }
    };
    (select(cases), ...);
  } else {
    result = internal::SelectSome<kBlock>(cases...);
  }
  // From the index among the channels to that among the arguments.
  int chosen = result.index;
  if constexpr (!kBlock) {
    if (chosen < 0) {
      chosen = kDefaultAt;
    } else if (chosen >= kDefaultAt) {
      ++chosen;
    }
  }
  int at = 0;
  [[maybe_unused]] const auto run = [&](auto& c) {
    if (at++ == chosen) c.Run(result.ok);
  };
  (run(cases), ...);
  return chosen;
}

}  // namespace mpg

#endif  // MPG_CHANNEL_SELECT_H_
