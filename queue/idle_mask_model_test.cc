// IdleMask under Relacy: a bit has one taker, and a sleeper that announced
// itself is seen or sees the work.
#include <cstdint>

#include "gtest/gtest.h"
#include "queue/idle_mask.h"
#include "queue/relacy_atomics.h"  // last: see there

namespace mpg {
namespace {

constexpr uint64_t kIterations = 100000;

// Threads set and take bits of one mask; each bit has one taker.
struct MaskTest : rl::test_suite<MaskTest, 3> {
  BasicIdleMask<RelacyAtomics<>> mask{2};
  int holders[2] = {0, 0};  // the harness's own

  void before() {
    mask.Set(0);
    mask.Set(1);
  }

  void thread(unsigned index) {
    for (int k = 0; k < 2; ++k) {
      const int i = mask.TakeAny(index);
      RL_ASSERT(mask.Count() >= 0);
      if (i < 0) continue;
      RL_ASSERT(holders[i]++ == 0);
      RL_ASSERT(!mask.Test(i));
      --holders[i];
      RL_ASSERT(mask.Set(i));
    }
  }

  void after() {
    RL_ASSERT(mask.Count() == 2);
    RL_ASSERT(mask.TakeAny(0) == 0);
    RL_ASSERT(mask.TakeAny(0) == 1);
    RL_ASSERT(mask.TakeAny(0) == -1);
  }
};

TEST(IdleMaskModelTest, EachBitHasOneTaker) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE(RelacyPasses<MaskTest>(kIterations));
}

template <Weaken kWeaken>
struct MaskWakeTest : rl::test_suite<MaskWakeTest<kWeaken>, 2> {
  BasicIdleMask<RelacyAtomics<kWeaken>> mask{1};
  RelacyAtomic<int> work{0};
  bool saw_idle = false;
  bool saw_work = false;

  void thread(unsigned index) {
    if (index == 0) {
      work.store(1, std::memory_order_seq_cst);
      saw_idle = mask.TakeAny(0) >= 0;
    } else {
      mask.Set(0);
      saw_work = work.load(std::memory_order_seq_cst) != 0;
    }
  }

  void after() { RL_ASSERT(saw_idle || saw_work); }
};

TEST(IdleMaskModelTest, NoWakeUpIsLost) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE(RelacyPasses<MaskWakeTest<Weaken::kNothing>>(kIterations));
}

TEST(IdleMaskModelTest, FindsRelaxedAnnouncement) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE(RelacyPasses<MaskWakeTest<Weaken::kSeqCstRmw>>(
      kIterations, /*report=*/false));
}

}  // namespace
}  // namespace mpg
