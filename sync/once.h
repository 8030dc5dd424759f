// Once, OnceFunc, OnceValue: does something the first time only.
//
//   Once once;
//   once.Do([] { LoadTables(); });
//
//   auto config = OnceValue([] { return ReadConfig(); });
//   Use(config());                     // reads once, whoever is first
//
// Thread safety: all from any goroutine or thread. Who comes while the first is
// at it waits until it is done.
// Memory: what the function did is visible to everybody whose Do has returned.
// Source: Go's sync.Once, OnceFunc, OnceValue (oncefunc.go).
#ifndef MPG_SYNC_ONCE_H_
#define MPG_SYNC_ONCE_H_

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "base/panic.h"
#include "sync/mutex.h"

namespace mpg {

class Once {
 public:
  constexpr Once() = default;
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;

  // Calls fn if this is the first Do of this Once. A call that ends by an
  // exception or by Goexit counts: fn is not called again. A Do of the same Once
  // within fn deadlocks.
  template <class F>
  void Do(F&& fn) {
    // acquire: pairs with the release in Finish.
    if (ABSL_PREDICT_FALSE(!done_.load(std::memory_order_acquire))) {
      DoSlow(std::forward<F>(fn));
    }
  }

 private:
  // However fn ends. First done_, then the lock: who finds the lock free finds
  // it done.
  struct Finish {
    Once* once;
    ~Finish() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      // release: pairs with the acquire in Do.
      once->done_.store(true, std::memory_order_release);
      once->mu_.Unlock();
    }
  };

  template <class F>
  ABSL_ATTRIBUTE_NOINLINE void DoSlow(F&& fn) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    mu_.Lock();
    const Finish finish{this};
    // relaxed: read under the lock under which it is written.
    if (!done_.load(std::memory_order_relaxed)) std::forward<F>(fn)();
  }

  std::atomic<bool> done_{false};
  Mutex mu_;
};

namespace internal {

// What the copies of one OnceFunc or OnceValue share.
template <class F>
class OnceState {
 public:
  using Result = std::decay_t<std::invoke_result_t<F&>>;

  explicit OnceState(F fn) : fn_(std::move(fn)) {}

  // Calls the function if nobody has, and throws what it threw.
  void Call() {
    once_.Do([this] { First(); });
    if (ABSL_PREDICT_TRUE(returned_)) return;
    if (exception_ != nullptr) std::rethrow_exception(exception_);
    // It was left by Goexit. Go: panic(nil).
    throw Panic(
        "panic called with nil argument (use GODEBUG=panicnil=1 to disable)");
  }

  const auto& value() const { return *value_; }

 private:
  struct Void {};

  void First() {
    // What the function has captured is not kept longer than needed.
    struct Drop {
      std::optional<F>* fn;
      ~Drop() { fn->reset(); }
    } drop{&fn_};
    try {
      if constexpr (std::is_void_v<Result>) {
        (*fn_)();
      } else {
        value_.emplace((*fn_)());
      }
    } catch (...) {
      exception_ = std::current_exception();  // null: Goexit
      throw;
    }
    returned_ = true;
  }

  Once once_;
  bool returned_ = false;
  std::optional<F> fn_;
  std::exception_ptr exception_;
  std::optional<std::conditional_t<std::is_void_v<Result>, Void, Result>>
      value_;
};

}  // namespace internal

// Returns a function that calls fn the first time it is called. If fn throws,
// every call throws the same. Its copies are the same function.
template <class F>
auto OnceFunc(F&& fn) {
  using State = internal::OnceState<std::decay_t<F>>;
  return
      [state = std::make_shared<State>(std::forward<F>(fn))] { state->Call(); };
}

// As OnceFunc, and every call returns a copy of what fn has returned.
template <class F>
auto OnceValue(F&& fn) {
  using State = internal::OnceState<std::decay_t<F>>;
  return [state = std::make_shared<State>(std::forward<F>(fn))] {
    state->Call();
    return state->value();
  };
}

}  // namespace mpg

#endif  // MPG_SYNC_ONCE_H_
