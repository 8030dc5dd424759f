// Channels and Select between goroutines, and between goroutines and threads.
// Go: the programs of test/chan, and chan_test.go of its runtime.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/unit.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"
#include "tests/sync/util.h"

namespace mpg {
namespace {

using sync_test::AllParkedBut;
using sync_test::kSanitized;
using sync_test::Procs;
using sync_test::Scaled;

class ChanOnProcs : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, ChanOnProcs, testing::Values(1, 2, 4));

// Runs `main` in a Runtime until all goroutines have ended, not just that one.
template <class F>
void RunToTheEnd(int procs, F&& main) {
  Runtime runtime(Procs(procs));
  runtime.Run(std::forward<F>(main));
  runtime.Wait();
}

void Yield() {
  if (Goid() != 0) {
    Gosched();
  } else {
    std::this_thread::yield();
  }
}

// --- The matrix -------------------------------------------------------------

// Ways to send a value, and ways to receive one. Those that poll return no sooner
// than the others, but are never parked.
struct SendWay {
  bool polls;
  void (*send)(const Chan<int>&, int);
};
constexpr SendWay kSends[] = {
    {false, [](const Chan<int>& c, int v) { c.Send(v); }},
    {true,
     [](const Chan<int>& c, int v) {
       while (!c.TrySend(v)) Yield();
     }},
    {false, [](const Chan<int>& c, int v) { Select(OnSend(c, v)); }},
    {false,
     [](const Chan<int>& c, int v) {
       Select(OnRecv(Chan<int>()), OnSend(c, v), OnSend(MakeChan<int>(), v));
     }},
    {true,
     [](const Chan<int>& c, int v) {
       while (Select(OnDefault(), OnSend(c, v)) == 0) Yield();
     }},
};
struct RecvWay {
  bool polls;
  std::optional<int> (*recv)(const Chan<int>&);
};
constexpr RecvWay kRecvs[] = {
    {false, [](const Chan<int>& c) { return c.Recv(); }},
    {true,
     [](const Chan<int>& c) {
       for (bool closed = false;; Yield()) {
         const std::optional<int> v = c.TryRecv(&closed);
         if (v || closed) return v;
       }
     }},
    {false,
     [](const Chan<int>& c) {
       std::optional<int> got;
       Select(OnRecv(c, [&](std::optional<int> v) { got = v; }));
       return got;
     }},
    {false,
     [](const Chan<int>& c) {
       std::optional<int> got;
       Select(OnRecv(MakeChan<int>()), OnSend(Chan<int>(), 1),
              OnRecv(c, [&](std::optional<int> v) { got = v; }));
       return got;
     }},
    {true,
     [](const Chan<int>& c) {
       std::optional<int> got;
       while (Select(OnRecv(c, [&](std::optional<int> v) { got = v; }),
                     OnDefault()) == 1) {
         Yield();
       }
       return got;
     }},
};

// What was sent arrives in order and then the end, however it is sent and
// received, by goroutines and by threads. Go: test/chan/perm, nonblock, select.
TEST_P(ChanOnProcs, EveryWayToSendMeetsEveryWayToReceive) {
  constexpr int n = Scaled(50);
  const auto meet = [](size_t capacity, auto send, auto recv,
                       bool from_thread) {
    const auto c = MakeChan<int>(capacity);
    const auto produce = [=] {
      for (int i = 0; i < n; ++i) send(c, i);
      c.Close();
    };
    std::thread thread;
    if (from_thread) {
      thread = std::thread(produce);
    } else {
      Go(produce);
    }
    for (int i = 0; i < n; ++i) ASSERT_EQ(recv(c), i);
    EXPECT_EQ(recv(c), std::nullopt);
    if (from_thread) thread.join();
  };
  RunToTheEnd(GetParam(), [&] {
    for (const size_t capacity : {0, 1, 10}) {
      for (const SendWay& s : kSends) {
        for (const RecvWay& r : kRecvs) {
          // Two that poll an unbuffered channel never meet.
          if (s.polls && r.polls && capacity == 0) continue;
          meet(capacity, s.send, r.recv, /*from_thread=*/false);
          meet(capacity, s.send, r.recv, /*from_thread=*/true);
        }
      }
    }
  });
}

TEST_P(ChanOnProcs, AThreadReceivesWhatAGoroutineSends) {
  Runtime runtime(Procs(GetParam()));
  for (const size_t capacity : {0, 1, 10}) {
    for (const RecvWay& way : kRecvs) {
      const auto recv = way.recv;
      const auto c = MakeChan<int>(capacity);
      runtime.Go([c] {
        for (int i = 0; i < Scaled(200); ++i) c.Send(i);
        c.Close();
      });
      for (int i = 0; i < Scaled(200); ++i) ASSERT_EQ(recv(c), i);
      EXPECT_EQ(recv(c), std::nullopt);
    }
  }
  runtime.Wait();
}

// --- Order and fairness -----------------------------------------------------

// Go: test/chan/fifo.
TEST_P(ChanOnProcs, GoroutinesAreServedFirstComeFirstServed) {
  Runtime runtime(Procs(GetParam()));
  runtime.Run([&] {
    constexpr int kGoroutines = 20;
    const auto c = MakeChan<int>();
    const auto order = MakeChan<int>(kGoroutines);
    for (int i = 0; i < kGoroutines; ++i) {
      Go([=] {
        if (i % 2 == 0) {
          EXPECT_EQ(c.Recv(), i);
        } else {
          Select(OnRecv(MakeChan<int>()),
                 OnRecv(c, [i](std::optional<int> v) { EXPECT_EQ(v, i); }));
        }
        order.Send(i);
      });
      while (!AllParkedBut(1, runtime)) Gosched();  // i is in the queue
    }
    for (int i = 0; i < kGoroutines; ++i) c.Send(i);
    for (int i = 0; i < kGoroutines; ++i) order.Recv();
  });
  runtime.Wait();
}

// Go: TestSelectFairness. All cases are ready all the time.
TEST_P(ChanOnProcs, SelectChoosesUniformlyAmongParkedSenders) {
  RunToTheEnd(GetParam(), [] {
    constexpr int kChannels = 5;
    std::array<Chan<int>, kChannels> c;
    const auto stop = MakeChan<Unit>();
    WaitGroup wg;
    for (auto& channel : c) {
      channel = MakeChan<int>(100);
      wg.Go([channel, stop] {
        while (Select(OnSend(channel, 1), OnRecv(stop)) == 0) {
        }
      });
    }
    std::array<double, kChannels> counts = {};
    double n = 0;
    while (n < Scaled(50'000)) {
      // Only what is chosen while each has something counts.
      const bool all = std::all_of(c.begin(), c.end(),
                                   [](const auto& x) { return x.Len() > 0; });
      const int chosen = Select(OnRecv(c[0]), OnRecv(c[1]), OnRecv(c[2]),
                                OnRecv(c[3]), OnRecv(c[4]));
      if (!all) continue;
      ++n;
      ++counts[static_cast<size_t>(chosen)];
    }
    stop.Close();
    wg.Wait();
    double chi_square = 0;
    for (const double count : counts) {
      chi_square +=
          (count - n / kChannels) * (count - n / kChannels) / (n / kChannels);
    }
    EXPECT_LT(chi_square, 33);  // 4 degrees of freedom: p = 1e-6
  });
}

// --- Select -----------------------------------------------------------------

// Go: test/chan/doubleselect. No value is taken by two, or lost.
TEST_P(ChanOnProcs, DoubleSelectTakesEachValueOnce) {
  RunToTheEnd(GetParam(), [] {
    constexpr int n = Scaled(20'000);
    std::array<Chan<int>, 4> c;
    for (auto& channel : c) channel = MakeChan<int>();
    const auto merged = MakeChan<int>();
    Go([c] {
      for (int i = 0; i < n; ++i) {
        Select(OnSend(c[0], i), OnSend(c[1], i), OnSend(c[2], i),
               OnSend(c[3], i));
      }
      for (const auto& channel : c) channel.Close();
    });
    WaitGroup wg;
    for (const auto& channel : c) {
      wg.Go([channel, merged] {
        for (int v : channel) merged.Send(v);
      });
    }
    Go([&wg, merged] {
      wg.Wait();
      merged.Close();
    });
    std::vector<int> times(static_cast<size_t>(n));
    for (int v : merged) ++times[static_cast<size_t>(v)];
    EXPECT_EQ(std::count(times.begin(), times.end(), 1), n);
  });
}

// Go: TestSelfSelect. Both send and receive on the same channel in one Select.
TEST_P(ChanOnProcs, SelectsThatSendAndReceiveMeetEachOtherButNotThemselves) {
  for (const size_t capacity : {0, 10}) {
    RunToTheEnd(GetParam(), [capacity] {
      const auto c = MakeChan<int>(capacity);
      WaitGroup wg;
      for (int me = 0; me < 2; ++me) {
        wg.Go([=] {
          for (int i = 0; i < Scaled(1000); ++i) {
            const auto not_mine = [&](std::optional<int> v) {
              EXPECT_TRUE(capacity != 0 || v == 1 - me);
            };
            if (me == 0 || i % 2 == 0) {
              Select(OnSend(c, me), OnRecv(c, not_mine));
            } else {
              Select(OnRecv(c, not_mine), OnSend(c, me));
            }
          }
        });
      }
      wg.Wait();
    });
  }
}

// --- Close ------------------------------------------------------------------

// Go: test/closedchan, TestSelectStackAdjust and the like: a close meets whatever
// goes on, and everybody hears of it.
TEST_P(ChanOnProcs, CloseRacesWithSendersReceiversAndSelects) {
  for (int round = 0; round < Scaled(50); ++round) {
    RuntimeOptions options = Procs(GetParam());
    options.time_slice = absl::Milliseconds(1);
    Runtime(options).Run([round] {
      const auto c = MakeChan<int>(static_cast<size_t>(round % 3));
      std::atomic<int> sent{0}, received{0};
      WaitGroup wg;
      const auto until_panic = [&](auto send) {
        wg.Go([&, send] {
          try {
            for (;;) {
              send();
              ++sent;
            }
          } catch (const Panic& panic) {
            EXPECT_STREQ(panic.what(), "send on closed channel");
          }
        });
      };
      until_panic([&] { c.Send(1); });
      until_panic([&] { Select(OnRecv(Chan<int>()), OnSend(c, 1)); });
      wg.Go([&] {
        for (int v : c) received += v;
      });
      wg.Go([&] {
        bool open = true;
        while (open) {
          Select(OnRecv(c,
                        [&](std::optional<int> v) {
                          open = v.has_value();
                          received += v.value_or(0);
                        }),
                 OnRecv(Chan<int>()));
        }
      });
      for (int i = round % 5; i > 0; --i) Gosched();
      c.Close();
      wg.Wait();
      EXPECT_EQ(sent, received);
    });
  }
}

// --- Many -------------------------------------------------------------------

// Go: test/chan/sieve1.
TEST_P(ChanOnProcs, PrimeSieve) {
  RunToTheEnd(GetParam(), [] {
    auto primes = MakeChan<int>();
    const auto end = MakeChan<Unit>();
    WaitGroup wg;
    wg.Go([primes, end] {
      for (int i = 2; Select(OnSend(primes, i), OnRecv(end)) == 0; ++i) {
      }
    });
    int last = 0;
    for (int k = 0; k < (kSanitized ? 20 : 100); ++k) {
      last = *primes.Recv();
      const auto out = MakeChan<int>();
      wg.Go([in = primes, out, end, last] {
        for (bool go_on = true; go_on;) {
          std::optional<int> i;
          go_on = Select(OnRecv(in, [&](std::optional<int> v) { i = v; }),
                         OnRecv(end)) == 0;
          if (!go_on || *i % last == 0) continue;
          go_on = Select(OnSend(out, *i), OnRecv(end)) == 0;
        }
      });
      primes = out;
    }
    EXPECT_EQ(last, kSanitized ? 71 : 541);
    end.Close();
    wg.Wait();
  });
}

// A channel of channels: requests carry where the answer goes.
TEST_P(ChanOnProcs, RequestsCarryTheirReplyChannel) {
  struct Request {
    int argument;
    SendChan<int> reply;
  };
  RunToTheEnd(GetParam(), [] {
    const auto requests = MakeChan<Request>();
    for (int s = 0; s < 3; ++s) {
      Go([requests] {
        for (Request r : requests) r.reply.Send(r.argument * 2);
      });
    }
    WaitGroup wg;
    for (int g = 0; g < 20; ++g) {
      wg.Go([requests, g] {
        const auto reply = MakeChan<int>();
        for (int i = 0; i < Scaled(200); ++i) {
          requests.Send({g * 1000 + i, reply});
          ASSERT_EQ(reply.Recv(), 2 * (g * 1000 + i));
        }
      });
    }
    wg.Wait();
    requests.Close();
  });
}

}  // namespace
}  // namespace mpg
