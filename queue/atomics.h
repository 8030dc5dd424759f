// The atomics a queue template is built on, as a template parameter, so that
// the very code that ships also runs under a model checker (queue/relacy.h).
//
// A policy class `Atomics` provides
//   Atomics::Atomic<T>   the interface of std::atomic<T>;
//   Atomics::Owned<T>    a plain variable that only one thread at a time may
//                        touch; the checker reports any other use.
#ifndef MPG_QUEUE_ATOMICS_H_
#define MPG_QUEUE_ATOMICS_H_

#include <atomic>

namespace mpg {

// What ships: std::atomic and plain variables.
struct StdAtomics {
  template <class T>
  using Atomic = std::atomic<T>;
  template <class T>
  using Owned = T;
};

}  // namespace mpg

#endif  // MPG_QUEUE_ATOMICS_H_
