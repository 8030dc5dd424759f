// A ring of goroutines that pass a token on.
#ifndef MPG_EXAMPLES_RING_H_
#define MPG_EXAMPLES_RING_H_

#include "channel/chan.h"
#include "runtime/goroutine.h"

namespace mpg {
namespace examples {

// Sends the numbers 0, ..., rounds - 1 once round a ring of `nodes`, the caller
// being one of them. Returns how many came back in order. All other goroutines
// have ended, or are about to, when it returns.
inline int PassRoundRing(int nodes, int rounds) {
  const Chan<int> first = MakeChan<int>();
  Chan<int> last = first;
  for (int i = 1; i < nodes; ++i) {
    Chan<int> in = last;
    Chan<int> out = MakeChan<int>();
    Go([in, out] {
      for (int token : in) out.Send(token);
      out.Close();
    });
    last = out;
  }
  int in_order = 0;
  for (int r = 0; r < rounds; ++r) {
    first.Send(r);
    if (last.Recv() == r) ++in_order;
  }
  first.Close();
  last.Recv();
  return in_order;
}

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_RING_H_
