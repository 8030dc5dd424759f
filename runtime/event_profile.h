// What the block and the mutex profile are made of: how often and for how long was
// something waited for, by the stack. Internal; users see runtime/pprof.h.
// Go: blockevent, mutexevent, saveblockevent (mprof.go).
#ifndef MPG_RUNTIME_EVENT_PROFILE_H_
#define MPG_RUNTIME_EVENT_PROFILE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/base/optimization.h"
#include "base/lock.h"

namespace mpg {
namespace internal {

// Thread safety: all methods from any thread.
class EventProfile {
 public:
  struct Sum {
    double count = 0;
    double ns = 0;
  };
  struct Entry {
    std::vector<void*> pcs;
    Sum sum;
  };

  // By the caller's stack.
  void Add(double count, double ns);
  std::vector<Entry> Entries();

 private:
  RuntimeLock mu_;
  std::map<std::vector<void*>, Sum> sums_ ABSL_GUARDED_BY(mu_);
};

EventProfile* BlockProfile();
EventProfile* MutexProfile();

// A goroutine that is blocked for so many nanoseconds is noted for sure, one that is
// so for less with the probability of the ratio; 0: none is.
extern std::atomic<int64_t> block_profile_rate;

// relaxed: a switch; what parks around its change may go either way.
inline bool BlockingIsProfiled() {
  return ABSL_PREDICT_FALSE(
      block_profile_rate.load(std::memory_order_relaxed) != 0);
}

// The calling goroutine has been blocked for so long.
void NoteBlocked(int64_t ns);
// ContentionFn.
void NoteContention(int64_t waited_ns, int64_t rate);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_EVENT_PROFILE_H_
