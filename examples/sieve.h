// The concurrent prime sieve: a chain of goroutines, each of which lets through
// what its own prime does not divide. The classic of Go's first talk.
#ifndef MPG_EXAMPLES_SIEVE_H_
#define MPG_EXAMPLES_SIEVE_H_

#include "channel/chan.h"
#include "runtime/goroutine.h"

namespace mpg {
namespace examples {

// The n-th prime (1: 2). Leaves n + 1 goroutines behind, parked for ever, as the
// original does. Call it in a goroutine.
inline int NthPrime(int n) {
  Chan<int> in = MakeChan<int>();
  Go([in] {
    for (int i = 2;; ++i) in.Send(i);
  });
  int prime = 0;
  for (int k = 0; k < n; ++k) {
    prime = *in.Recv();
    Chan<int> out = MakeChan<int>();
    Go([in, out, prime] {
      for (;;) {
        const int i = *in.Recv();
        if (i % prime != 0) out.Send(i);
      }
    });
    in = out;
  }
  return prime;
}

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_SIEVE_H_
