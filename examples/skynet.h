// Skynet: a tree of goroutines, each with ten children, down to the leaves; each
// leaf sends its number, each node the sum of its children.
#ifndef MPG_EXAMPLES_SKYNET_H_
#define MPG_EXAMPLES_SKYNET_H_

#include <cstdint>

#include "channel/chan.h"
#include "runtime/goroutine.h"

namespace mpg {
namespace examples {

// Sends the sum of first, ..., first + leaves - 1. leaves: a power of ten.
inline void SkynetNode(SendChan<int64_t> result, int64_t first,
                       int64_t leaves) {
  if (leaves == 1) {
    result.Send(first);
    return;
  }
  Chan<int64_t> sums = MakeChan<int64_t>();
  const int64_t share = leaves / 10;
  for (int i = 0; i < 10; ++i) {
    Go([sums, first, share, i] { SkynetNode(sums, first + i * share, share); });
  }
  int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += *sums.Recv();
  result.Send(sum);
}

// 0 + 1 + ... + (leaves - 1), by about 1.1 * leaves goroutines.
inline int64_t Skynet(int64_t leaves) {
  Chan<int64_t> result = MakeChan<int64_t>();
  Go([result, leaves] { SkynetNode(result, 0, leaves); });
  return *result.Recv();
}

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_SKYNET_H_
