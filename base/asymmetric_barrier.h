// A full memory barrier between two sides of which one is hot: the hot side pays
// nothing (LightBarrier only stops the compiler), the other makes the kernel run
// a barrier on every core that runs a thread of this process (HeavyBarrier).
//
//   hot:   x = 1; LightBarrier(); read y;
//   cold:  y = 1; HeavyBarrier(); read x;      // one of them reads 1
//
// Thread safety: any thread. HeavyBarrier costs about 1 us.
// Source: membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED (Linux 4.14).
#ifndef MPG_BASE_ASYMMETRIC_BARRIER_H_
#define MPG_BASE_ASYMMETRIC_BARRIER_H_

#include <atomic>

namespace mpg {

inline void LightBarrier() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

// False if the kernel refuses (old, or forbidden by a sandbox): then there is
// no barrier on the hot side, and the caller must have another way.
bool HeavyBarrier();

}  // namespace mpg

#endif  // MPG_BASE_ASYMMETRIC_BARRIER_H_
