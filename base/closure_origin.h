// What a closure is, for people who look at a trace: a number that stands for its
// function or its type, without a cost when the closure is made or called.
//
// Thread safety: all of it may be used on any thread.
#ifndef MPG_BASE_CLOSURE_ORIGIN_H_
#define MPG_BASE_CLOSURE_ORIGIN_H_

#include <cstdint>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace mpg {

// In a closure's origin: the rest is the address of a text that names its type.
// No program address has this bit. Without it the origin is an address in the
// function, 0 if nothing is known.
inline constexpr uintptr_t kOriginIsText = uintptr_t{1}
                                           << (8 * sizeof(uintptr_t) - 1);

// An origin that is a text, which stays.
inline uintptr_t OriginOfText(const char* text) {
  return reinterpret_cast<uintptr_t>(text) | kOriginIsText;
}

namespace internal {

// F's mangled name; without RTTI "... TextOfType() [with F = name]", which is the
// same for all lambdas of a function.
template <class F>
const char* TextOfType() {
#if defined(__GXX_RTTI)
  return typeid(F).name();
#else
  return __PRETTY_FUNCTION__;
#endif
}

template <class F, class = void>
struct SaysOrigin : std::false_type {};
template <class F>
struct SaysOrigin<F, std::void_t<decltype(std::declval<const F&>().Origin())>>
    : std::true_type {};

}  // namespace internal

// f.Origin() if it has that: it wraps another one.
template <class F>
uintptr_t ClosureOrigin(const F& f) {
  if constexpr (internal::SaysOrigin<F>::value) {
    return f.Origin();
  } else if constexpr (std::is_same_v<F, absl::AnyInvocable<void()>>) {
    return 0;
  } else if constexpr (std::is_pointer_v<F> &&
                       std::is_function_v<std::remove_pointer_t<F>>) {
    return reinterpret_cast<uintptr_t>(f);
  } else {
    return OriginOfText(internal::TextOfType<F>());
  }
}

// A closure that has an origin of its own: its type says nothing.
template <class F>
struct NamedClosure {
  F fn;
  uintptr_t origin;

  void operator()() { fn(); }
  uintptr_t Origin() const { return origin; }
};
template <class F>
NamedClosure<std::decay_t<F>> NameClosure(F&& fn, uintptr_t origin) {
  return {std::forward<F>(fn), origin};
}

}  // namespace mpg

#endif  // MPG_BASE_CLOSURE_ORIGIN_H_
