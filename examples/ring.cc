// ring [NODES [ROUNDS]]: passes a token round a ring of goroutines.
#include "examples/ring.h"

#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "runtime/runtime.h"

int main(int argc, char** argv) {
  int nodes = 1000, rounds = 1000;
  if (argc > 3 ||
      (argc > 1 && (!absl::SimpleAtoi(argv[1], &nodes) || nodes < 1)) ||
      (argc > 2 && (!absl::SimpleAtoi(argv[2], &rounds) || rounds < 1))) {
    std::fprintf(stderr, "usage: ring [NODES [ROUNDS]], each at least 1\n");
    return 2;
  }
  return mpg::Main([nodes, rounds] {
    const absl::Time start = absl::Now();
    const int in_order = mpg::examples::PassRoundRing(nodes, rounds);
    std::printf(
        "%d of %d rounds in order, %.1f ns a hop\n", in_order, rounds,
        absl::ToDoubleNanoseconds(absl::Now() - start) / nodes / rounds);
    return in_order == rounds ? 0 : 1;
  });
}
