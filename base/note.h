// Note: a one-shot event on which one thread sleeps until another wakes it.
//
// The cycle is Clear, then Sleep (by one thread) and Wakeup (once, by any), in
// either order: a Wakeup before the Sleep is not lost. Two Wakeups without a
// Clear between them are a bug of the caller and end the program.
// A new Note is clear.
//
// Thread safety: Wakeup from any thread and from a signal handler; Sleep and
// SleepFor from one thread at a time; Clear only when nobody sleeps and no
// Wakeup is on its way (a WakeupIfClear that is may be lost). A woken sleeper may
// destroy the Note at once: Wakeup does not touch its memory after the sleeper can
// have seen it.
// Memory: all that happened before Wakeup is visible after Sleep.
// Source: Go's note, notesleep, notetsleep, notewakeup (lock_futex.go).
#ifndef MPG_BASE_NOTE_H_
#define MPG_BASE_NOTE_H_

#include <atomic>
#include <cstdint>

namespace mpg {

class Note {
 public:
  constexpr Note() = default;
  Note(const Note&) = delete;
  Note& operator=(const Note&) = delete;

  // Blocks the OS thread until Wakeup; returns at once after it.
  void Sleep();

  // As Sleep, for at most `ns` nanoseconds (< 0: for ever). Returns false if
  // the time ran out without a Wakeup.
  bool SleepFor(int64_t ns);

  void Wakeup();

  // Wakeup that may come more than once: only the first one counts.
  void WakeupIfClear();

  void Clear() {
    // relaxed: by contract nobody else uses the note now.
    state_.store(kClear, std::memory_order_relaxed);
  }

  bool IsSignaled() const {
    // acquire: pairs with the exchange in Wakeup.
    return state_.load(std::memory_order_acquire) == kSignaled;
  }

 private:
  enum : uint32_t { kClear = 0, kSignaled = 1, kAsleep = 2 };

  std::atomic<uint32_t> state_{kClear};
};

}  // namespace mpg

#endif  // MPG_BASE_NOTE_H_
