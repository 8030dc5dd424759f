// sieve [N]: prints the N-th prime (2000 if not given).
#include "examples/sieve.h"

#include <cstdio>

#include "absl/strings/numbers.h"
#include "runtime/runtime.h"

int main(int argc, char** argv) {
  int n = 2000;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &n) || n < 1))) {
    std::fprintf(stderr, "usage: sieve [N], N at least 1\n");
    return 2;
  }
  return mpg::Main([n] {
    std::printf("%d\n", mpg::examples::NthPrime(n));
    return 0;
  });
}
