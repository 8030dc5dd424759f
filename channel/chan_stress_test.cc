// Many threads at once on few channels, for the races that small tests miss.
// Each test checks sums or counts that any lost, doubled or stranded value or
// waiter would change; a lost wake-up shows as a hang.
#include <atomic>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/clock.h"
#include "base/panic.h"
#include "base/random.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/test_util.h"
#include "channel/unit.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

using channel_test::Counted;
using channel_test::Threads;

// For tests of a race so narrow that only time finds it: one second from now.
class Deadline {
 public:
  bool Passed() const { return NanoTime() > end_; }

 private:
  const int64_t end_ = NanoTime() + 1000000000;
};

TEST(ChanStressTest, ManySendersManyReceivers) {
  // As Go's TestChanSendInterface and TestPseudoRandomSend in spirit: every
  // value arrives once, whatever the capacity.
  constexpr int kThreads = 4, kEach = 20000;
  for (size_t capacity : {0, 1, 2, 10, 128}) {
    const Chan<int> ch = MakeChan<int>(capacity);
    std::atomic<int64_t> sum{0}, count{0};
    Threads receivers, senders;
    for (int t = 0; t < kThreads; ++t) {
      receivers.Start([&] {
        int64_t s = 0, n = 0;
        for (int v : ch) s += v, ++n;
        sum += s;
        count += n;
      });
      senders.Start([&, t] {
        for (int i = 0; i < kEach; ++i) ch.Send(t * kEach + i);
      });
    }
    senders.Join();
    ch.Close();
    receivers.Join();
    constexpr int64_t kAll = kThreads * kEach;
    EXPECT_EQ(count, kAll);
    EXPECT_EQ(sum, kAll * (kAll - 1) / 2);
  }
}

TEST(ChanStressTest, EachSendersValuesStayInOrder) {
  constexpr int kThreads = 3, kEach = 20000;
  for (size_t capacity : {0, 3}) {
    const Chan<std::pair<int, int>> ch =
        MakeChan<std::pair<int, int>>(capacity);
    Threads senders;
    for (int t = 0; t < kThreads; ++t) {
      senders.Start([&, t] {
        for (int i = 0; i < kEach; ++i) ch.Send({t, i});
      });
    }
    std::vector<int> next(kThreads);
    for (int n = 0; n < kThreads * kEach; ++n) {
      const auto [t, i] = *ch.Recv();
      ASSERT_EQ(i, next[t]++);
    }
  }
}

TEST(ChanStressTest, CloseRacesWithEverything) {
  using V = Counted<20>;
  const uint64_t seed = SeedFromEnvironment();
  std::cerr << "MPG_SEED=" << seed << "\n";
  for (int round = 0; round < 300; ++round) {
    const auto ch = MakeChan<V>(round % 4);
    const auto other = MakeChan<V>();
    std::atomic<int> sent{0}, received{0}, panics{0}, closes{0};
    Threads threads;
    for (int t = 0; t < 2; ++t) {
      threads.Start([&] {
        try {
          for (int i = 0; i < 1000; ++i) {
            if (i % 2 == 0) {
              ch.Send(V(i));
            } else {
              Select(OnSend(ch, V(i)), OnSend(other, V(i)));
            }
            ++sent;
          }
        } catch (const Panic&) {
          ++panics;
        }
      });
      threads.Start([&] {
        while (ch.Recv()) ++received;
      });
      threads.Start([&] {
        bool open = true;
        while (open) {
          Select(OnRecv(ch,
                        [&](std::optional<V> v) {
                          received += v.has_value();
                          open = v.has_value();
                        }),
                 OnRecv(other, [&](std::optional<V>) { ++received; }));
        }
      });
      threads.Start([&, seed = seed + 2 * round + t] {
        for (uint32_t n = FastRand(seed).Below(20000); n != 0; --n) {
          asm volatile("");
        }
        try {
          ch.Close();
          ++closes;
        } catch (const Panic& p) {
          EXPECT_STREQ(p.what(), "close of closed channel");
        }
      });
    }
    threads.Join();
    EXPECT_EQ(closes, 1);
    EXPECT_EQ(sent, received);
    EXPECT_LE(panics, 2);
    EXPECT_FALSE(ch.Recv().has_value());
  }
  EXPECT_EQ(V::alive, 0);
}

TEST(ChanStressTest, SelectsOverManyChannelsInRandomOrder) {
  // As Go's TestMultiConsumer and TestSelectStress: every thread selects over
  // the same channels, listed in an order of its own.
  constexpr int kChannels = 6, kThreads = 3, kEach = 10000;
  const uint64_t seed = SeedFromEnvironment();
  std::cerr << "MPG_SEED=" << seed << "\n";
  std::vector<Chan<int>> ch;
  for (int i = 0; i < kChannels; ++i) ch.push_back(MakeChan<int>(i % 3));
  const Chan<Unit> done = MakeChan<Unit>();
  std::atomic<int64_t> sent{0}, received{0};
  const auto shuffled = [&](uint64_t s) {
    std::vector<Chan<int>> order = ch;
    FastRand rand(s);
    for (int i = kChannels; i > 1; --i) {
      std::swap(order[i - 1], order[rand.Below(i)]);
    }
    return order;
  };
  Threads senders, receivers;
  for (int t = 0; t < kThreads; ++t) {
    senders.Start([&, t] {
      const std::vector<Chan<int>> order = shuffled(seed + t);
      int value = 0;
      std::vector<SelectCase> cases;
      for (int i = 0; i < kEach; ++i) {
        value = t * kEach + i;
        if (i % 2 == 0) {
          Select(OnSend(order[0], value), OnSend(order[1], value),
                 OnSend(order[2], value), OnSend(order[0], value));
        } else {
          cases.clear();
          for (const Chan<int>& c : order) cases.push_back(OnSend(c, value));
          Select(absl::MakeSpan(cases));
        }
        sent += value;
      }
    });
    receivers.Start([&, t] {
      bool running = true;
      std::vector<SelectCase> cases;
      for (const Chan<int>& c : shuffled(seed + 100 + t)) {
        cases.push_back(
            OnRecv(c, [&](std::optional<int> v) { received += *v; }));
      }
      cases.push_back(OnRecv(done, [&] { running = false; }));
      while (running) Select(absl::MakeSpan(cases));
    });
  }
  senders.Join();
  done.Close();
  receivers.Join();
  for (const Chan<int>& c : ch) {
    while (std::optional<int> v = c.TryRecv()) received += *v;
  }
  EXPECT_EQ(sent, received);
}

TEST(ChanStressTest, DefaultIsTakenOnlyAtAMomentWhenNothingIsReady) {
  // Two tokens. The mover puts its token into one channel before it takes one
  // from the other, so that at each moment at least one token can be received,
  // unless the selector has it.
  const Chan<int> a = MakeChan<int>(2), b = MakeChan<int>(2);
  a.Send(1);
  std::atomic<bool> stop{false};
  Threads mover;
  mover.Start([&] {
    int token = 2;
    for (bool to_b = true; !stop; to_b = !to_b) {
      (to_b ? b : a).Send(token);
      const auto keep = [&](std::optional<int> v) { token = *v; };
      if (std::optional<int> v = (to_b ? a : b).TryRecv()) {
        token = *v;
      } else {
        Select(OnRecv(a, keep), OnRecv(b, keep));
      }
    }
  });
  int defaults = 0;
  // Found a Select without step 2 of its protocol within a second.
  for (const Deadline deadline; !deadline.Passed();) {
    int token = 0;
    const auto keep = [&](std::optional<int> v) { token = *v; };
    switch (Select(OnRecv(a, keep), OnRecv(b, keep), OnDefault())) {
      case 0:
        a.Send(token);
        break;
      case 1:
        b.Send(token);
        break;
      default:
        ++defaults;
    }
  }
  stop = true;
  mover.Join();
  EXPECT_EQ(defaults, 0);
}

TEST(ChanStressTest, TryRecvNeverMissesWhatIsAlwaysThere) {
  // A channel that is closed before it gets empty: TryRecv must return the
  // value or report closed, but never that it would block.
  std::atomic<int> round{0}, done{0};
  std::atomic<bool> stop{false};
  Chan<int> ch;
  Threads threads;
  threads.Start([&] {
    for (int i = 1;; ++i) {
      while (round < i) {
        if (stop) return;
        std::this_thread::yield();
      }
      const Chan<int> mine = ch;
      mine.Close();
      mine.Recv();
      done = i;
    }
  });
  const Deadline deadline;
  for (int i = 1; !deadline.Passed(); ++i) {
    ch = MakeChan<int>(1);
    ch.Send(1);
    round = i;
    for (uint32_t n = ThreadRand() % 200; n != 0; --n) {
      asm volatile("");  // shifts the threads against each other
    }
    bool closed = false;
    const std::optional<int> v = ch.TryRecv(&closed);
    EXPECT_TRUE(v || closed);
    while (done < i) std::this_thread::yield();
  }
  stop = true;
}

TEST(ChanStressTest, HandlesComeAndGoWhileOthersUseTheChannel) {
  const Chan<Chan<std::string>> handoff = MakeChan<Chan<std::string>>(4);
  Threads threads;
  for (int t = 0; t < 2; ++t) {
    threads.Start([handoff] {
      for (const Chan<std::string>& ch : handoff) {
        ch.Send("a string too long for the small buffer");
      }
    });
  }
  for (int i = 0; i < 5000; ++i) {
    const Chan<std::string> ch = MakeChan<std::string>(i % 2);
    handoff.Send(ch);
    // Every second channel is dropped with the value in it.
    if (i % 4 != 1) {
      ASSERT_EQ(ch.Recv()->size(), 38u);
    }
  }
  handoff.Close();
}

}  // namespace
}  // namespace mpg
