// How a closure becomes a goroutine, without allocation if it is small.
//
// Internal to mpg; users call Go (runtime/goroutine.h) or Runtime::Go. It is a
// header of its own because those are templates and need no more than this of
// the scheduler.
#ifndef MPG_RUNTIME_SPAWN_H_
#define MPG_RUNTIME_SPAWN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/attributes.h"
#include "base/closure_origin.h"

namespace mpg {
namespace internal {

struct G;
struct Sched;

// Closures up to this size live in the goroutine's descriptor.
inline constexpr size_t kInlineClosureSize = 64;

enum class ClosureOp { kDiscard, kOrigin };

// The part of a goroutine's descriptor that holds what it is to run.
struct ClosureSlot {
  void (*run)(ClosureSlot*) = nullptr;  // runs the closure, destroys it
  // Destroys it unrun, or returns its ClosureOrigin.
  uintptr_t (*manage)(ClosureSlot*, ClosureOp) = nullptr;
  alignas(16) unsigned char bytes[kInlineClosureSize];
};

// A new goroutine of `s`, nowhere queued yet. Any thread.
ClosureSlot* BeginSpawn(Sched* s);
// Queues it. `pc`: where it was created, for dumps. Any thread.
void CommitSpawn(ClosureSlot* slot, const void* pc);
// Takes it back; its closure was never built. Any thread.
void CancelSpawn(ClosureSlot* slot);
// Between Begin and Commit: a name and a stack size (0: the Runtime's).
void SetSpawnOptions(ClosureSlot* slot, const std::string& name,
                     size_t stack_size);

// The scheduler whose goroutine is running. Panics on a plain thread.
Sched* CurrentSchedOrPanic();

// The closure, in the slot or behind a pointer in it.
template <class Fn, bool kInline>
struct ClosureIn {
  static Fn* Get(ClosureSlot* slot) {
    if constexpr (kInline) {
      return std::launder(reinterpret_cast<Fn*>(slot->bytes));
    } else {
      return *std::launder(reinterpret_cast<Fn**>(slot->bytes));
    }
  }
  static void Discard(ClosureSlot* slot) {
    if constexpr (kInline) {
      Get(slot)->~Fn();
    } else {
      delete Get(slot);
    }
  }
  static uintptr_t Manage(ClosureSlot* slot, ClosureOp op) {
    if (op == ClosureOp::kOrigin) return ClosureOrigin(*Get(slot));
    Discard(slot);
    return 0;
  }
  static void Run(ClosureSlot* slot) {
    // Destroyed also when Goexit unwinds.
    struct Destroyer {
      ClosureSlot* slot;
      ~Destroyer() { Discard(slot); }
    } destroyer{slot};
    (*Get(slot))();
  }
};

// Gives the slot back if building its closure throws.
struct SlotCanceler {
  ClosureSlot* slot;
  ~SlotCanceler() {
    if (slot != nullptr) CancelSpawn(slot);
  }
};

// Builds the closure in `slot`.
template <class F>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void FillSlot(ClosureSlot* slot, F&& f) {
  using Fn = std::decay_t<F>;
  constexpr bool kInline =
      sizeof(Fn) <= kInlineClosureSize && alignof(Fn) <= 16;
  if constexpr (kInline && std::is_nothrow_constructible_v<Fn, F&&>) {
    new (slot->bytes) Fn(std::forward<F>(f));
  } else {
    SlotCanceler canceler{slot};
    if constexpr (kInline) {
      new (slot->bytes) Fn(std::forward<F>(f));
    } else {
      new (slot->bytes) Fn*(new Fn(std::forward<F>(f)));
    }
    canceler.slot = nullptr;
  }
  slot->run = &ClosureIn<Fn, kInline>::Run;
  slot->manage = &ClosureIn<Fn, kInline>::Manage;
}

template <class F>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void SpawnClosure(Sched* s, const void* pc,
                                                      F&& f) {
  ClosureSlot* slot = BeginSpawn(s);
  FillSlot(slot, std::forward<F>(f));
  CommitSpawn(slot, pc);
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_SPAWN_H_
