// Context: carries the order to stop, and values, down a tree of calls and
// goroutines. Go: package context.
//
//   auto [ctx, cancel] = mpg::WithCancel(mpg::Background());
//   mpg::Go([ctx = ctx] {
//     mpg::Select(mpg::OnRecv(work, [](std::optional<Job> j) { ... }),
//                 mpg::OnRecv(ctx.Done(), [] { ... }));
//   });
//   cancel();                        // Done() is closed here and below
//
// Behaviour is that of Go's documentation:
//  - To cancel a context cancels those derived from it. The first call counts,
//    with its cause; others do nothing.
//  - Done is closed first; only then is Err anything but OK.
//  - A derived context costs no goroutine, whatever state it is in.
//
// A Context is a counted reference to something that does not change but for
// being cancelled: copy it freely and pass it by value. A context keeps its
// ancestors, not its descendants. It ends with its last handle, its CancelFuncs
// and the StopFuncs made from it included. If it ends uncancelled, those who
// still hold its Done channel, and the functions registered by AfterFunc, are
// served when its nearest cancellable ancestor is cancelled, as if it had not
// ended. A function registered on a context that itself holds that context keeps
// it until it is cancelled or the function stopped.
//
// Thread safety: all functions and methods from any goroutine or thread; one
// handle object is as a std::shared_ptr. Not for signal handlers.
// What blocks: nothing, except that a cancel or an Err that meets a cancel under
// way waits until that has closed Done.
// Memory: what happened before a cancel is visible after a Recv from Done, an
// Err that is not OK, and in functions of AfterFunc.
//
// Deadlines cost a timer each, no thread and no goroutine. A context with a
// deadline stays until then, even if nobody refers to it, unless it is cancelled:
// so cancel it when its work is done. The deadline is a wall-clock time, but what
// counts is how far off it is when the context is made: setting the clock later
// does not move it. Under fake time (runtime/fake_time.h) it goes by that.
#ifndef MPG_CONTEXT_CONTEXT_H_
#define MPG_CONTEXT_CONTEXT_H_

#include <optional>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "channel/chan.h"
#include "channel/unit.h"
#include "context/context_node.h"

namespace mpg {

// What a value is found by: the identity of a key object, which has to outlive
// the contexts that use it. Go's advice to give keys a type of their own is
// built in: nobody who cannot name the object can read the value.
//
//   const mpg::ContextKey<User> kUser;
template <class T>
class ContextKey {
 public:
  constexpr ContextKey() = default;
  ContextKey(const ContextKey&) = delete;
  ContextKey& operator=(const ContextKey&) = delete;

 private:
  char identity_ = 0;  // so that no two keys share an address
};

class CancelFunc;
class CancelCauseFunc;
class StopFunc;

class Context {
 public:
  Context() = default;  // Background()

  // Closed once this context is cancelled. The same channel each time; nil if
  // this context cannot be cancelled.
  RecvChan<Unit> Done() const;

  // OK while Done is not closed; then why: Cancelled("context canceled") or
  // DeadlineExceeded("context deadline exceeded").
  absl::Status Err() const;

  // As Err, but the cause that was handed to the CancelCauseFunc, or with the
  // deadline, that cancelled
  // this context or the ancestor from which it was reached.
  absl::Status Cause() const;

  // When this context will be cancelled by itself, if it will.
  std::optional<absl::Time> Deadline() const;

  // What the nearest WithValue with this key has put there, or null. Lives as
  // long as this context.
  template <class T>
  const T* Value(const ContextKey<T>& key) const {
    return static_cast<const T*>(internal::FindValue(node_.get(), &key));
  }

  // For what is built on contexts: where to add hooks. Null if this context
  // cannot be cancelled. Stays the handle's.
  internal::CancelNode* canceller() const {
    return node_.get() == nullptr ? nullptr : node_.get()->canceller;
  }

  // By identity.
  friend bool operator==(const Context& a, const Context& b) {
    return a.node_.get() == b.node_.get();
  }
  friend bool operator!=(const Context& a, const Context& b) {
    return !(a == b);
  }

 private:
  friend class CancelFunc;
  friend class CancelCauseFunc;
  friend std::pair<Context, CancelFunc> WithCancel(const Context& parent);
  friend std::pair<Context, CancelCauseFunc> WithCancelCause(
      const Context& parent);
  template <class T, class V>
  friend Context WithValue(const Context& parent, const ContextKey<T>& key,
                           V&& value);
  friend std::pair<Context, CancelFunc> WithDeadlineCause(const Context& parent,
                                                          absl::Time deadline,
                                                          absl::Status cause);
  friend Context WithoutCancel(const Context& parent);
  friend class StopFunc;
  friend StopFunc AfterFunc(const Context& ctx, absl::AnyInvocable<void()> fn);

  explicit Context(internal::NodeRef node) : node_(std::move(node)) {}

  internal::NodeRef node_;
};

// Cancels a context. Copies cancel the same one. Idempotent.
class CancelFunc {
 public:
  CancelFunc() = default;  // does nothing
  void operator()() const;

 private:
  friend std::pair<Context, CancelFunc> WithCancel(const Context& parent);
  friend std::pair<Context, CancelFunc> WithDeadlineCause(const Context& parent,
                                                          absl::Time deadline,
                                                          absl::Status cause);
  explicit CancelFunc(Context ctx) : ctx_(std::move(ctx)) {}
  Context ctx_;
};

// Cancels a context and says why. An OK cause stands for "context canceled".
class CancelCauseFunc {
 public:
  CancelCauseFunc() = default;  // does nothing
  void operator()(absl::Status cause) const;

 private:
  friend std::pair<Context, CancelCauseFunc> WithCancelCause(
      const Context& parent);
  explicit CancelCauseFunc(Context ctx) : ctx_(std::move(ctx)) {}
  Context ctx_;
};

// Takes back an AfterFunc. Copies are the same. May be dropped unused.
class StopFunc {
 public:
  StopFunc() = default;
  // True: the function will never run, because of this call. False: it has been
  // started (which is not to say that it is done), or was stopped before.
  bool operator()() const;

 private:
  friend StopFunc AfterFunc(const Context& ctx, absl::AnyInvocable<void()> fn);
  StopFunc(Context ctx, internal::AfterRef after)
      : ctx_(std::move(ctx)), after_(std::move(after)) {}
  Context ctx_;
  internal::AfterRef after_;
};

// The root: never cancelled, without values.
inline Context Background() { return Context(); }

// A context that ends by `CancelFunc` or when `parent` is cancelled.
std::pair<Context, CancelFunc> WithCancel(const Context& parent);
std::pair<Context, CancelCauseFunc> WithCancelCause(const Context& parent);

// WithCancel, and cancelled with DeadlineExceeded at `deadline`, if `parent` has no
// earlier one; at once if that has passed. InfiniteFuture is no deadline.
std::pair<Context, CancelFunc> WithDeadline(const Context& parent,
                                            absl::Time deadline);
// WithDeadline(parent, Now() + timeout).
std::pair<Context, CancelFunc> WithTimeout(const Context& parent,
                                           absl::Duration timeout);
// The same, with a Cause for when the deadline cancels it; OK stands for
// "context deadline exceeded".
std::pair<Context, CancelFunc> WithDeadlineCause(const Context& parent,
                                                 absl::Time deadline,
                                                 absl::Status cause);
std::pair<Context, CancelFunc> WithTimeoutCause(const Context& parent,
                                                absl::Duration timeout,
                                                absl::Status cause);

// `parent` with its values, but not cancelled when it is.
Context WithoutCancel(const Context& parent);

// Runs fn concurrently (a goroutine; a std::thread outside a Runtime) once ctx
// is cancelled; at once if it is already. Each call registers by itself.
StopFunc AfterFunc(const Context& ctx, absl::AnyInvocable<void()> fn);

// `parent` with one more value: a T made from `value`.
template <class T, class V>
Context WithValue(const Context& parent, const ContextKey<T>& key, V&& value) {
  return Context(internal::NodeRef(
      new internal::ValueNode<T>(parent.node_, &key, std::forward<V>(value))));
}

}  // namespace mpg

#endif  // MPG_CONTEXT_CONTEXT_H_
