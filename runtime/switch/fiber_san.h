// What AddressSanitizer and ThreadSanitizer must be told about stacks that are
// switched. Without a sanitizer everything here is empty.
//
//   SanFiber     one in each flow of control: goroutine and thread (g0)
//   SanStack     one at the top of each stack, in the stack's own memory; lives
//                and is recycled with the stack. Zeroed memory is a valid one.
//
//   SanAdoptThread(&g0);                       // on the thread itself, once
//   SanOnStackTaken(&g, san_stack, lo, size);  // g starts on that stack
//   SanBeforeSwitch(&from, &to, from_ends);    // immediately before and
//   SwitchContext(...);
//   SanAfterSwitch(&from);                     // immediately after; and first
//                                              // thing in a context's entry
//
//   SanHandOver(&g, &next);                    // g ends, and next starts on
//                                              // its stack with no switch
//
// ThreadSanitizer's fibers are dear (some 8000 may live at once, and making one
// takes microseconds), so a fiber belongs to a stack, is made at the stack's
// first use, and serves one goroutine after another. It is renewed now and
// then: a goroutine that ends by switching away leaves its frames on the
// fiber's shadow call stack, which holds 65536.
//
// Thread safety: the owner of the flow or of the stack only.
#ifndef MPG_RUNTIME_SWITCH_FIBER_SAN_H_
#define MPG_RUNTIME_SWITCH_FIBER_SAN_H_

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define MPG_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define MPG_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MPG_ASAN 1
#elif __has_feature(thread_sanitizer)
#define MPG_TSAN 1
#endif
#endif

#if defined(MPG_ASAN)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(MPG_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace mpg {
namespace internal {

// ThreadSanitizer holds a signal back until the thread calls something that it
// intercepts: a loop that calls nothing never sees it.
#if defined(MPG_TSAN)
inline constexpr bool kSanHoldsSignals = true;
#else
inline constexpr bool kSanHoldsSignals = false;
#endif

#if defined(MPG_ASAN)

struct SanFiber {
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  size_t size = 0;
};

struct SanStack {};
inline constexpr size_t kSanStackBytes = 0;

inline void SanAdoptThread(SanFiber* f) {
  pthread_attr_t attr;
  void* bottom = nullptr;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attr) == 0) {
    pthread_attr_getstack(&attr, &bottom, &size);
    pthread_attr_destroy(&attr);
  }
  f->bottom = bottom;
  f->size = size;
}

inline void SanOnStackTaken(SanFiber* f, SanStack*, const void* lo,
                            size_t size) {
  f->fake_stack = nullptr;
  f->bottom = lo;
  f->size = size;
}

inline void SanHandOver(const SanFiber* from, SanFiber* to) {
  to->fake_stack = nullptr;
  to->bottom = from->bottom;
  to->size = from->size;
}

[[gnu::always_inline]] inline void SanBeforeSwitch(SanFiber* from,
                                                   const SanFiber* to,
                                                   bool from_ends) {
  __sanitizer_start_switch_fiber(from_ends ? nullptr : &from->fake_stack,
                                 to->bottom, to->size);
}

[[gnu::always_inline]] inline void SanAfterSwitch(SanFiber* self) {
  __sanitizer_finish_switch_fiber(self->fake_stack, nullptr, nullptr);
}

// Frames that were left by a switch for ever are still poisoned.
inline void SanOnStackGiven(void* lo, size_t size) {
  __asan_unpoison_memory_region(lo, size);
}

inline void SanDestroyStack(SanStack*) {}

#elif defined(MPG_TSAN)

struct SanFiber {
  void* fiber = nullptr;
};

struct SanStack {
  void* fiber;
  uint64_t starts;
};
inline constexpr size_t kSanStackBytes = 64;

inline void SanAdoptThread(SanFiber* f) {
  f->fiber = __tsan_get_current_fiber();
}

inline void SanDestroyStack(SanStack* stack) {
  if (stack->fiber != nullptr) __tsan_destroy_fiber(stack->fiber);
  *stack = {};
}

inline void SanOnStackTaken(SanFiber* f, SanStack* stack, const void*, size_t) {
  constexpr uint64_t kMaxStarts = 500;  // times frames left each; untuned
  const bool running_on_it = stack->fiber == __tsan_get_current_fiber();
  if (!running_on_it && stack->starts >= kMaxStarts) SanDestroyStack(stack);
  if (stack->fiber == nullptr) stack->fiber = __tsan_create_fiber(0);
  ++stack->starts;
  f->fiber = stack->fiber;
}

inline void SanHandOver(const SanFiber* from, SanFiber* to) {
  to->fiber = from->fiber;
}

[[gnu::always_inline]] inline void SanBeforeSwitch(SanFiber*,
                                                   const SanFiber* to, bool) {
  // Flag 0: what happened before the switch happens before what follows it.
  __tsan_switch_to_fiber(to->fiber, 0);
}

[[gnu::always_inline]] inline void SanAfterSwitch(SanFiber*) {}
inline void SanOnStackGiven(void*, size_t) {}

#else

struct SanFiber {};
struct SanStack {};
inline constexpr size_t kSanStackBytes = 0;

inline void SanAdoptThread(SanFiber*) {}
inline void SanOnStackTaken(SanFiber*, SanStack*, const void*, size_t) {}
inline void SanHandOver(const SanFiber*, SanFiber*) {}
inline void SanBeforeSwitch(SanFiber*, const SanFiber*, bool) {}
inline void SanAfterSwitch(SanFiber*) {}
inline void SanOnStackGiven(void*, size_t) {}
inline void SanDestroyStack(SanStack*) {}

#endif

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_SWITCH_FIBER_SAN_H_
