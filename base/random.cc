#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <atomic>

#include "absl/strings/numbers.h"
#include "base/clock.h"
#include "base/thread_state.h"

namespace mpg {
namespace {

uint64_t ReadSeed() {
  if (const char* text = getenv("MPG_SEED"); text != nullptr && *text != '\0') {
    uint64_t seed;
    if (!absl::SimpleAtoi(text, &seed)) {
      fprintf(stderr, "mpg: MPG_SEED=%s is not a decimal number\n", text);
      exit(2);
    }
    return seed;
  }
  uint64_t seed;
  // Early in boot the kernel may have no entropy; the clock does for a seed
  // that decides nothing but which of several right orders is taken.
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) {
    seed = (static_cast<uint64_t>(CpuTicks()) << 20) ^
           static_cast<uint64_t>(NanoTime());
  }
  return seed;
}

}  // namespace

uint64_t SeedFromEnvironment() {
  static const uint64_t seed = ReadSeed();
  return seed;
}

uint64_t NextSeed() {
  static std::atomic<uint64_t> calls{0};
  // relaxed: only the value must be unique; nothing is published with it.
  const uint64_t n = calls.fetch_add(1, std::memory_order_relaxed);
  FastRand mix(SeedFromEnvironment() + n * 0x9e3779b97f4a7c15);
  const uint64_t high = mix.Next();
  return high << 32 | mix.Next();
}

uint32_t ThreadRand() {
  ThreadState* t = ThisThread();
  if (t->rand_state == 0) t->rand_state = NextSeed() | 1;
  FastRand rand(t->rand_state);
  const uint32_t value = rand.Next();
  t->rand_state += 0xa0761d6478bd642f;
  return value;
}

}  // namespace mpg
