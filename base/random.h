// Small, fast pseudo-random numbers for scheduling decisions (which victim to
// steal from, which ready case of a select runs). Not for secrets.
//
// One seed rules them all: $MPG_SEED, a decimal number, makes every generator
// start from it, so that a run can be repeated; without it the seed comes from
// the kernel. Source: wyrand (Wang Yi), as Go's cheaprand uses.
#ifndef MPG_BASE_RANDOM_H_
#define MPG_BASE_RANDOM_H_

#include <cstdint>

namespace mpg {

// A generator for one owner. Not thread-safe.
class FastRand {
 public:
  explicit constexpr FastRand(uint64_t seed) : state_(seed) {}

  uint32_t Next() {
    state_ += 0xa0761d6478bd642f;
    const auto product =
        static_cast<unsigned __int128>(state_) * (state_ ^ 0xe7037ed1a0b428db);
    return static_cast<uint32_t>(static_cast<uint64_t>(product >> 64) ^
                                 static_cast<uint64_t>(product));
  }

  // Uniform in [0, n) up to a bias of n / 2^32 (Lemire's multiplication).
  // REQUIRES: n > 0.
  uint32_t Below(uint32_t n) {
    return static_cast<uint32_t>((uint64_t{Next()} * n) >> 32);
  }

 private:
  uint64_t state_;
};

// The process's seed: $MPG_SEED if it is set, else from the kernel's entropy;
// the same value at every call. Any thread. A value of $MPG_SEED that is not a
// decimal number ends the program with a message.
uint64_t SeedFromEnvironment();

// A different, reproducible seed at each call: the n-th call of a process with
// a given $MPG_SEED always returns the same. Any thread.
uint64_t NextSeed();

// A number from this thread's own generator. Any thread.
uint32_t ThreadRand();

}  // namespace mpg

#endif  // MPG_BASE_RANDOM_H_
