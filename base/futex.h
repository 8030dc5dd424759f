// The two futex calls mpg uses, private to the process. Linux only.
//
// Thread safety: any thread.
#ifndef MPG_BASE_FUTEX_H_
#define MPG_BASE_FUTEX_H_

#include <atomic>
#include <cstdint>

namespace mpg {
namespace internal {

// Sleeps while *word == value, until a wake-up, or for `ns` nanoseconds if
// ns >= 0. May return early for no reason: the caller looks at *word again.
// Go: futexsleep.
void FutexSleep(std::atomic<uint32_t>* word, uint32_t value, int64_t ns);

// Wakes at most `count` threads asleep on `word`. *word may be gone already
// (its owner was woken by another and has ended): the kernel only compares
// the address. Go: futexwakeup.
void FutexWakeup(std::atomic<uint32_t>* word, int count);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_BASE_FUTEX_H_
