// Threads do random operations on two channels at once; each such history must
// be one that the sequential model of chan_history.h allows.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/panic.h"
#include "base/park.h"
#include "base/random.h"
#include "channel/chan.h"
#include "channel/chan_history.h"
#include "channel/select.h"
#include "channel/test_util.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

using channel_test::History;
using channel_test::HistoryChecker;
using channel_test::Operation;
using channel_test::Threads;

// --- The checker itself -----------------------------------------------------

TEST(HistoryCheckerTest, AcceptsWhatAQueueDoes) {
  EXPECT_TRUE(HistoryChecker({2}).IsLinearizable({
      {Operation::kSend, 0, 1, 0, 1},
      {Operation::kSend, 0, 2, 2, 5},
      {Operation::kRecv, 0, 1, 3, 4},
      {Operation::kRecv, 0, 2, 6, 7},
      {Operation::kRecvBlocked, 0, 0, 8, 9},
      {Operation::kClose, 0, 0, 10, 11},
      {Operation::kRecvClosed, 0, 0, 12, 13},
      {Operation::kSendClosed, 0, 3, 14, 15},
  }));
}

TEST(HistoryCheckerTest, RejectsWhatNoQueueDoes) {
  // Out of order.
  EXPECT_FALSE(HistoryChecker({2}).IsLinearizable({
      {Operation::kSend, 0, 1, 0, 1},
      {Operation::kSend, 0, 2, 2, 3},
      {Operation::kRecv, 0, 2, 4, 5},
      {Operation::kRecv, 0, 1, 6, 7},
  }));
  // Empty although something is there all the time.
  EXPECT_FALSE(HistoryChecker({1}).IsLinearizable({
      {Operation::kSend, 0, 1, 0, 1},
      {Operation::kRecvBlocked, 0, 0, 2, 3},
      {Operation::kRecv, 0, 1, 4, 5},
  }));
  // Received twice; received before it was sent; sent after Close.
  EXPECT_FALSE(HistoryChecker({1}).IsLinearizable({
      {Operation::kSend, 0, 1, 0, 1},
      {Operation::kRecv, 0, 1, 2, 5},
      {Operation::kRecv, 0, 1, 3, 4},
  }));
  EXPECT_FALSE(HistoryChecker({1}).IsLinearizable({
      {Operation::kRecv, 0, 1, 0, 1},
      {Operation::kSend, 0, 1, 2, 3},
  }));
  EXPECT_FALSE(HistoryChecker({1}).IsLinearizable({
      {Operation::kClose, 0, 0, 0, 1},
      {Operation::kSend, 0, 1, 2, 3},
  }));
  // An unbuffered Send that returned before its Recv began.
  EXPECT_FALSE(HistoryChecker({0}).IsLinearizable({
      {Operation::kSend, 0, 1, 0, 1},
      {Operation::kRecv, 0, 1, 2, 3},
  }));
  EXPECT_TRUE(HistoryChecker({0}).IsLinearizable({
      {Operation::kSend, 0, 1, 0, 2},
      {Operation::kRecv, 0, 1, 1, 3},
  }));
}

TEST(HistoryCheckerTest, RejectsADefaultWhileSomethingWasAlwaysReady) {
  // The token is in channel 1, then in both, then in 0 only.
  EXPECT_FALSE(HistoryChecker({1, 1}).IsLinearizable({
      {Operation::kSend, 1, 1, 0, 1},
      {Operation::kDefault, 3, 0, 2, 9},
      {Operation::kSend, 0, 2, 3, 4},
      {Operation::kRecv, 1, 1, 5, 6},
      {Operation::kRecv, 0, 2, 10, 11},
  }));
}

// --- Random histories -------------------------------------------------------

// One history: kThreads threads, each with a few operations, on two channels.
class Episode {
 public:
  Episode(size_t capacity0, size_t capacity1)
      : ch_{MakeChan<int>(capacity0), MakeChan<int>(capacity1)} {}

  void RunThread(int id, uint64_t seed, int operations) {
    FastRand rand(seed);
    ++running_;
    while (running_ < kThreads) std::this_thread::yield();
    for (int i = 0; i < operations; ++i) {
      for (uint32_t n = rand.Below(60); n != 0; --n) {
        asm volatile("");  // shifts the threads against each other
      }
      Step(rand, /*value=*/id * 100 + i);
    }
    ++finished_;
  }

  // Ends the operations that wait for ever: closes once everybody waits.
  void RunCloser() {
    while (finished_ + internal::ParkedThreads() < kThreads) {
      std::this_thread::yield();
    }
    for (int c = 0; c < 2; ++c) {
      const int64_t begin = clock_++;
      ch_[c].Close();
      Record(Operation::kClose, c, 0, begin);
    }
  }

  const History& history() const { return history_; }

  static constexpr int kThreads = 3;

 private:
  void Record(Operation::Kind kind, int channel, int value, int64_t begin) {
    const int64_t end = clock_++;
    std::lock_guard<std::mutex> lock(mutex_);
    history_.push_back({kind, channel, value, begin, end});
  }

  void RecordRecv(int c, std::optional<int> v, int64_t begin) {
    Record(v ? Operation::kRecv : Operation::kRecvClosed, c, v.value_or(0),
           begin);
  }

  void Step(FastRand& rand, int value) {
    const int c = static_cast<int>(rand.Below(2));
    const uint32_t what = rand.Below(12);
    const int64_t begin = clock_++;
    int sent_on = c;
    try {
      switch (what) {
        case 0:
        case 1:
          ch_[c].Send(value);
          Record(Operation::kSend, c, value, begin);
          break;
        case 2:
        case 3:
          RecordRecv(c, ch_[c].Recv(), begin);
          break;
        case 4:
        case 5:
          Record(ch_[c].TrySend(value) ? Operation::kSend
                                       : Operation::kSendBlocked,
                 c, value, begin);
          break;
        case 6:
        case 7: {
          bool closed;
          const std::optional<int> v = ch_[c].TryRecv(&closed);
          if (v || closed) {
            RecordRecv(c, v, begin);
          } else {
            Record(Operation::kRecvBlocked, c, 0, begin);
          }
          break;
        }
        case 8:
          Select(
              OnRecv(ch_[c], [&](auto v) { RecordRecv(c, v, begin); }),
              OnRecv(ch_[1 - c], [&](auto v) { RecordRecv(1 - c, v, begin); }));
          break;
        case 9:
          Select(OnRecv(ch_[0], [&](auto v) { RecordRecv(0, v, begin); }),
                 OnRecv(ch_[1], [&](auto v) { RecordRecv(1, v, begin); }),
                 OnDefault([&] { Record(Operation::kDefault, 3, 0, begin); }));
          break;
        case 10:
          sent_on = 1 - c;  // the only case that can throw
          Select(OnRecv(ch_[c], [&](auto v) { RecordRecv(c, v, begin); }),
                 OnSend(ch_[1 - c], value, [&] {
                   Record(Operation::kSend, 1 - c, value, begin);
                 }));
          break;
        default:
          sent_on = 1 - c;
          Select(OnRecv(ch_[c], [&](auto v) { RecordRecv(c, v, begin); }),
                 OnSend(ch_[1 - c], value,
                        [&] { Record(Operation::kSend, 1 - c, value, begin); }),
                 OnDefault([&] {
                   Record(Operation::kDefault, 1 << c, 1 << (1 - c), begin);
                 }));
          break;
      }
    } catch (const Panic&) {
      Record(Operation::kSendClosed, sent_on, value, begin);
    }
  }

  const Chan<int> ch_[2];
  std::atomic<int64_t> clock_{0};
  std::atomic<int> running_{0};
  std::atomic<int> finished_{0};
  std::mutex mutex_;
  History history_;
};

TEST(ChanLinearizabilityTest, RandomHistoriesAreThoseOfTheModel) {
  const uint64_t seed = SeedFromEnvironment();
  std::cerr << "MPG_SEED=" << seed << "\n";
  FastRand rand(seed);
  constexpr int kEpisodes = 6000;
  for (int episode = 0; episode < kEpisodes; ++episode) {
    const size_t capacity0 = rand.Below(3), capacity1 = rand.Below(3);
    Episode e(capacity0, capacity1);
    Threads threads;
    for (int t = 0; t < Episode::kThreads; ++t) {
      const int operations = 2 + static_cast<int>(rand.Below(5));
      threads.Start([&e, t, thread_seed = rand.Next(), operations] {
        e.RunThread(t, thread_seed, operations);
      });
    }
    e.RunCloser();
    threads.Join();
    ASSERT_TRUE(
        HistoryChecker({capacity0, capacity1}).IsLinearizable(e.history()))
        << "capacities " << capacity0 << " and " << capacity1 << "\n"
        << HistoryChecker::Describe(e.history());
  }
}

}  // namespace
}  // namespace mpg
