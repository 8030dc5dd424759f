// What the core of channels takes from its surroundings, as one policy class,
// so that the very code that ships also runs under a model checker
// (chan_model_test.cc). A policy Env provides
//   Atomic<T>, Lock           as std::atomic<T> and RuntimeLock;
//   Waiter, ParkSite          as those of base/park.h, as far as used here;
//   Current, Park, Ready, PreemptPoint, Random
// and so does ParkEnv, which is the real one.
#ifndef MPG_CHANNEL_CHAN_ENV_H_
#define MPG_CHANNEL_CHAN_ENV_H_

#include <atomic>
#include <cstdint>

#include "absl/base/attributes.h"
#include "base/lock.h"
#include "base/park.h"
#include "base/random.h"

namespace mpg {
namespace internal {

struct ParkEnv {
  template <class T>
  using Atomic = std::atomic<T>;
  using Lock = RuntimeLock;
  using Waiter = mpg::Waiter;
  using ParkSite = mpg::ParkSite;

  ABSL_ATTRIBUTE_ALWAYS_INLINE static Waiter* Current() {
    return CurrentWaiter();
  }
  static void Park(Waiter* w, const ParkSite* site, Lock* lock, void* arg) {
    mpg::Park(w, site, lock, arg);
  }
  static void Ready(Waiter* w) { mpg::Ready(w); }
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void PreemptPoint(Waiter* w) {
    mpg::PreemptPoint(w);
  }
  // Uniform over all 32-bit numbers.
  static uint32_t Random() { return ThreadRand(); }
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CHANNEL_CHAN_ENV_H_
