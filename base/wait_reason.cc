#include "base/wait_reason.h"

#include <cstddef>

namespace mpg {
namespace internal {

// In the order of WaitReason. gdb reads it, too (tools/gdb/mpg-gdb.py).
extern const char* const kWaitReasonNames[];
const char* const kWaitReasonNames[] = {
    "",
    "chan receive",
    "chan send",
    "chan receive (nil chan)",
    "chan send (nil chan)",
    "select",
    "select (no cases)",
    "semacquire",
    "sync.Mutex.Lock",
    "sync.RWMutex.RLock",
    "sync.RWMutex.Lock",
    "sync.Cond.Wait",
    "sync.WaitGroup.Wait",
    "sleep",
    "IO wait",
    "preempted",
    "stopping the world",
    "runtime.Wait",
    "synctest.Run",
    "synctest.Wait",
    "trace reader (blocked)",
};

}  // namespace internal

absl::string_view WaitReasonName(WaitReason reason) {
  constexpr size_t kCount =
      sizeof internal::kWaitReasonNames / sizeof internal::kWaitReasonNames[0];
  static_assert(
      kCount == static_cast<size_t>(WaitReason::kTraceReaderBlocked) + 1,
      "a name for each reason");
  const auto i = static_cast<size_t>(reason);
  return i < kCount ? internal::kWaitReasonNames[i] : "unknown wait reason";
}

}  // namespace mpg
