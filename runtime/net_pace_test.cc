#include "runtime/net_pace.h"

#include <cstdint>
#include <utility>

#include "gtest/gtest.h"

namespace mpg {
namespace internal {
namespace {

constexpr int64_t kMicro = 1'000;

// A P whose goroutines run for `ns` each; the n that each look at the network
// readies have all run at the next.
class Busy {
 public:
  // True: at the last of `times` looks somebody should be woken.
  bool Looks(int times, int n, int64_t ns) {
    bool wake = false;
    for (int i = 0; i < times; ++i) {
      wake = pace_.Polled(n, now_, [this] {
        ++asked_;
        return std::exchange(switched_out_, false);
      });
      now_ += n * ns;
    }
    return wake;
  }
  // The P finds nothing, and idles.
  void Idles(int64_t ns) {
    EXPECT_FALSE(pace_.Polled(0, now_, [] { return false; }));
    now_ += ns;
  }
  // As well, but it has not looked.
  void Leaves(int64_t ns) {
    pace_.Idles();
    now_ += ns;
  }
  // The kernel takes its core away.
  void IsSwitchedOut() { switched_out_ = true; }
  int Asked() const { return asked_; }

 private:
  NetPace pace_;
  int64_t now_ = 1;
  bool switched_out_ = false;
  int asked_ = 0;
};

TEST(NetPaceTest, OneNeedsNoHelp) {
  Busy p;
  EXPECT_FALSE(p.Looks(1, 1, kMicro));
  EXPECT_FALSE(p.Looks(100, 1, 10'000 * kMicro));
}

TEST(NetPaceTest, ForWhatIsNotKnownSomebodyIsWoken) {
  Busy p;
  EXPECT_TRUE(p.Looks(1, 2, kMicro));
}

TEST(NetPaceTest, AFewShortOnesAreNotShared) {
  Busy p;
  p.Looks(100, 4, 10 * kMicro);
  EXPECT_FALSE(p.Looks(1, 4, 10 * kMicro));
  EXPECT_TRUE(p.Looks(1, 8, 10 * kMicro));
  EXPECT_TRUE(p.Looks(1, 128, 10 * kMicro));
}

TEST(NetPaceTest, WhereCoresAreScarceOnlyManyAreShared) {
  Busy p;
  p.Looks(100, 4, 10 * kMicro);
  EXPECT_TRUE(p.Looks(1, 10, 10 * kMicro));
  p.IsSwitchedOut();
  EXPECT_FALSE(p.Looks(1, 10, 10 * kMicro));
  EXPECT_TRUE(p.Looks(1, 60, 10 * kMicro));
  EXPECT_FALSE(p.Looks(50, 10, 10 * kMicro));
  EXPECT_TRUE(p.Looks(60, 10, 10 * kMicro));  // 10 ms later
}

TEST(NetPaceTest, TheKernelIsAskedOnlyWhenItMatters) {
  Busy p;
  p.Looks(100, 4, 10 * kMicro);
  const int learning = p.Asked();
  p.Looks(100, 4, 10 * kMicro);
  EXPECT_EQ(p.Asked(), learning);
  p.IsSwitchedOut();
  p.Looks(50, 10, 10 * kMicro);
  EXPECT_EQ(p.Asked(), learning + 1);
}

TEST(NetPaceTest, LongOnesAreShared) {
  Busy p;
  p.Looks(100, 2, 10 * kMicro);
  EXPECT_FALSE(p.Looks(1, 2, 40 * kMicro));
  EXPECT_TRUE(p.Looks(100, 2, 40 * kMicro));
  EXPECT_FALSE(p.Looks(100, 2, 10 * kMicro));
}

TEST(NetPaceTest, AVeryLongOneIsRememberedForAWhile) {
  Busy p;
  p.Looks(100, 4, 10 * kMicro);
  p.Looks(1, 4, 300 * kMicro);  // four, or one of 1.2 ms
  EXPECT_TRUE(p.Looks(1, 2, 10 * kMicro));
  EXPECT_TRUE(p.Looks(NetPace::kWaryLooks - 2, 2, 10 * kMicro));
  EXPECT_FALSE(p.Looks(3, 2, 10 * kMicro));
}

TEST(NetPaceTest, AnInterruptionByTheKernelIsNotAVeryLongOne) {
  Busy p;
  p.Looks(100, 4, 10 * kMicro);
  p.Looks(1, 4, 1'000 * kMicro);
  p.IsSwitchedOut();
  EXPECT_FALSE(p.Looks(1, 2, 10 * kMicro));
  EXPECT_FALSE(p.Looks(NetPace::kWaryLooks, 2, 10 * kMicro));
}

// Seconds that the kernel ran something else do not make the average useless.
TEST(NetPaceTest, AnInterruptionIsForgotten) {
  Busy p;
  p.Looks(100, 4, 10 * kMicro);
  for (int i = 0; i < 10; ++i) p.Looks(1, 1, 1'000'000 * kMicro);
  EXPECT_FALSE(p.Looks(NetPace::kWaryLooks + 2, 4, 10 * kMicro));
}

TEST(NetPaceTest, IdleTimeIsNoWork) {
  Busy p;
  for (int i = 0; i < 100; ++i) {
    p.Looks(1, 3, 10 * kMicro);
    p.Idles(1'000'000 * kMicro);
    p.Looks(1, 3, 10 * kMicro);
    p.Leaves(1'000'000 * kMicro);
  }
  EXPECT_FALSE(p.Looks(1, 3, 10 * kMicro));
}

}  // namespace
}  // namespace internal
}  // namespace mpg
