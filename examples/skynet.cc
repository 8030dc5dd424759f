// skynet [LEAVES]: sums 0 to LEAVES - 1 by a tree of goroutines, LEAVES a power
// of ten (a million if not given).
#include "examples/skynet.h"

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "runtime/runtime.h"

int main(int argc, char** argv) {
  int64_t leaves = 1000000;
  bool ok = argc < 2 || (argc == 2 && absl::SimpleAtoi(argv[1], &leaves));
  int64_t power = 1;
  while (ok && power < leaves && power < 100000000) power *= 10;
  if (!ok || power != leaves) {
    std::fprintf(stderr, "usage: skynet [LEAVES], a power of ten up to 10^8\n");
    return 2;
  }
  return mpg::Main([leaves] {
    std::printf("%" PRId64 "\n", mpg::examples::Skynet(leaves));
    return 0;
  });
}
