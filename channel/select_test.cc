#include "channel/select.h"

#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/panic.h"
#include "base/park.h"
#include "channel/chan.h"
#include "channel/test_util.h"
#include "channel/unit.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

using channel_test::Counted;
using channel_test::Threads;
using channel_test::WaitUntilParked;

// --- The choice -------------------------------------------------------------

TEST(SelectTest, RunsTheOnlyReadyCase) {
  const Chan<int> a = MakeChan<int>(1);
  const Chan<std::string> b = MakeChan<std::string>(1);
  b.Send("x");
  std::string got;
  EXPECT_EQ(Select(OnRecv(a, [](std::optional<int>) { FAIL(); }),
                   OnRecv(b, [&](std::optional<std::string> s) { got = *s; })),
            1);
  EXPECT_EQ(got, "x");
  EXPECT_EQ(Select(OnRecv(a), OnSend(b, "y"), OnDefault()), 1);
  EXPECT_EQ(b.Recv(), "y");
}

TEST(SelectTest, DefaultRunsOnlyIfNothingIsReady) {
  const Chan<int> a = MakeChan<int>(1);
  const Chan<int> b = MakeChan<int>();
  int defaults = 0;
  const auto count = [&] { ++defaults; };
  EXPECT_EQ(Select(OnRecv(a), OnDefault(count), OnSend(b, 1)), 1);
  EXPECT_EQ(Select(OnDefault(count), OnRecv(a)), 0);
  EXPECT_EQ(Select(OnSend(b, 1), OnDefault(count)), 1);
  EXPECT_EQ(Select(OnDefault(count)), 0);
  EXPECT_EQ(defaults, 4);
  a.Send(1);
  EXPECT_EQ(Select(OnRecv(a), OnDefault(count), OnSend(b, 1)), 0);
  EXPECT_EQ(defaults, 4);
}

TEST(SelectTest, NilChannelsAreNeverReady) {
  const Chan<int> nil;
  const Chan<int> open = MakeChan<int>(1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Select(OnRecv(nil), OnSend(nil, 1), OnDefault()), 2);
    EXPECT_EQ(Select(OnRecv(nil), OnDefault()), 1);
    EXPECT_EQ(Select(OnSend(nil, 1), OnDefault()), 1);
    EXPECT_EQ(Select(OnRecv(nil), OnSend(nil, 1), OnSend(open, i)), 2);
    EXPECT_EQ(Select(OnRecv(nil), OnRecv(open), OnSend(nil, 1)), 1);
  }
}

TEST(SelectTest, ClosedChannelIsReady) {
  const Chan<int> open = MakeChan<int>();
  const Chan<int> closed = MakeChan<int>(1);
  const Chan<std::string> object = MakeChan<std::string>();
  closed.Send(7);
  closed.Close();
  object.Close();
  std::optional<int> got;
  EXPECT_EQ(Select(OnRecv(open), OnRecv(closed, [&](auto v) { got = v; })), 1);
  EXPECT_EQ(got, 7);
  EXPECT_EQ(Select(OnRecv(open), OnRecv(closed, [&](auto v) { got = v; })), 1);
  EXPECT_EQ(got, std::nullopt);
  EXPECT_EQ(Select(OnRecv(closed, [&](auto v) { got = v; })), 0);
  EXPECT_EQ(Select(OnRecv(closed), OnDefault()), 0);
  bool engaged = true;
  Select(OnRecv(object, [&](auto v) { engaged = v.has_value(); }),
         OnRecv(open));
  EXPECT_FALSE(engaged);
}

template <class F>
void ExpectSendPanics(F select) {
  try {
    select();
    ADD_FAILURE() << "no panic";
  } catch (const Panic& p) {
    EXPECT_STREQ(p.what(), "send on closed channel");
  }
}

TEST(SelectTest, SendOnClosedChannelPanics) {
  const Chan<int> open = MakeChan<int>();
  const Chan<int> closed = MakeChan<int>(1);
  closed.Close();
  ExpectSendPanics([&] { Select(OnSend(closed, 1)); });
  ExpectSendPanics([&] { Select(OnSend(closed, 1), OnDefault()); });
  ExpectSendPanics([&] { Select(OnRecv(open), OnSend(closed, 1)); });
  std::vector<SelectCase> cases;
  cases.push_back(OnRecv(open));
  cases.push_back(OnSend(closed, 1));
  ExpectSendPanics([&] { Select(absl::MakeSpan(cases)); });
  EXPECT_EQ(closed.Recv(), std::nullopt);  // nothing is left locked
}

TEST(SelectTest, OneReadyCaseIsFoundWhereverItStands) {
  std::array<Chan<int>, 8> ch;
  for (auto& c : ch) c = MakeChan<int>(1);
  for (int i = 0; i < 8; ++i) {
    ch[i].Send(i);
    EXPECT_EQ(
        Select(OnRecv(ch[0]), OnRecv(ch[1]), OnRecv(ch[2]), OnRecv(ch[3]),
               OnRecv(ch[4]), OnRecv(ch[5]), OnRecv(ch[6]), OnRecv(ch[7])),
        i);
  }
}

// Pearson's chi-square of `counts` against equal shares.
double ChiSquare(const std::vector<int>& counts) {
  double total = 0, sum = 0;
  for (int n : counts) total += n;
  const double expected = total / counts.size();
  for (int n : counts) sum += (n - expected) * (n - expected) / expected;
  return sum;
}

// 99.999% points of the chi-square distribution with that many degrees of
// freedom: one false alarm in 100,000 runs.
constexpr double kLimit1 = 19.51, kLimit2 = 23.03, kLimit7 = 35.26;

TEST(SelectTest, ChoosesUniformlyAmongReadyCases) {
  const Chan<int> full = MakeChan<int>(1);
  const Chan<int> empty = MakeChan<int>(1);
  full.Send(0);
  const Chan<int> closed = MakeChan<int>();
  closed.Close();
  const Chan<int> never = MakeChan<int>();
  std::vector<int> counts(5);
  for (int i = 0; i < 30000; ++i) {
    const int chosen = Select(OnRecv(full), OnRecv(never), OnSend(empty, 1),
                              OnRecv(closed), OnSend(never, 1));
    ++counts[chosen];
    if (chosen == 0) full.Send(0);
    if (chosen == 2) empty.Recv();
  }
  EXPECT_EQ(counts[1], 0);
  EXPECT_EQ(counts[4], 0);
  EXPECT_LT(ChiSquare({counts[0], counts[2], counts[3]}), kLimit2);
}

TEST(SelectTest, ChoosesUniformlyAmongEightFromASpan) {
  std::vector<SelectCase> cases;
  std::vector<Chan<int>> ch;
  for (int i = 0; i < 8; ++i) {
    ch.push_back(MakeChan<int>());
    ch.back().Close();
    cases.push_back(OnRecv(ch.back()));
  }
  std::vector<int> counts(8);
  for (int i = 0; i < 40000; ++i) ++counts[Select(absl::MakeSpan(cases))];
  EXPECT_LT(ChiSquare(counts), kLimit7);
}

TEST(SelectTest, IsFairWhenSendersAreParked) {
  // As Go's TestSelectFairness, where a sender is always ready on both.
  const Chan<int> a = MakeChan<int>(), b = MakeChan<int>();
  const Chan<Unit> done = MakeChan<Unit>();
  const auto feed = [&done](const Chan<int>& ch) {
    while (Select(OnSend(ch, 1), OnRecv(done)) == 0) {
    }
  };
  Threads threads;
  threads.Start([&] { feed(a); });
  threads.Start([&] { feed(b); });
  std::vector<int> counts(2);
  for (int i = 0; i < 1000; ++i) {
    // A sender stands in each queue.
    while (a.hchan()->Empty() || b.hchan()->Empty()) std::this_thread::yield();
    ++counts[Select(OnRecv(a), OnRecv(b))];
  }
  done.Close();
  EXPECT_LT(ChiSquare(counts), kLimit1);
}

// --- Values -----------------------------------------------------------------

TEST(SelectTest, RvalueIsMovedFromOnlyIfItsCaseWins) {
  const auto full = MakeChan<std::unique_ptr<int>>(1);
  full.Send(nullptr);
  const auto room = MakeChan<std::unique_ptr<int>>(1);
  auto p = std::make_unique<int>(5);
  EXPECT_EQ(Select(OnSend(full, std::move(p)), OnDefault()), 1);
  ASSERT_NE(p, nullptr);
  auto q = std::make_unique<int>(6);
  EXPECT_EQ(Select(OnSend(full, std::move(p)), OnSend(room, std::move(q))), 1);
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(q, nullptr);
  EXPECT_EQ(**room.Recv(), 6);
}

TEST(SelectTest, LvalueIsCopied) {
  const auto ch = MakeChan<std::string>(2);
  std::string s = "a string too long for the small buffer";
  const std::string t = s;
  EXPECT_EQ(Select(OnSend(ch, s)), 0);
  EXPECT_EQ(Select(OnSend(ch, t), OnDefault()), 0);
  EXPECT_EQ(s, t);
  EXPECT_EQ(ch.Recv(), t);
  EXPECT_EQ(ch.Recv(), t);
}

TEST(SelectTest, ValuesAreNeitherLostNorDoubled) {
  using V = Counted<10>;
  {
    const auto a = MakeChan<V>(), b = MakeChan<V>(2);
    std::atomic<int64_t> sum{0};
    Threads threads;
    threads.Start([&] {
      for (int i = 0; i < 3000; ++i) {
        Select(OnSend(a, V(i)), OnSend(b, V(i)));
      }
      a.Close();
      b.Close();
    });
    threads.Start([&] {
      Chan<V> x = a, y = b;
      while (x || y) {
        const auto take = [&](Chan<V>& from) {
          return [&](std::optional<V> v) {
            if (v) {
              sum += v->value;
            } else {
              from = Chan<V>();
            }
          };
        };
        // The case's channel must outlive the handler, which resets the handle.
        const Chan<V> keep_x = x, keep_y = y;
        Select(OnRecv(keep_x, take(x)), OnRecv(keep_y, take(y)));
      }
    });
    threads.Join();
    EXPECT_EQ(sum, 4498500);
  }
  EXPECT_EQ(V::alive, 0);
}

// --- Handlers ---------------------------------------------------------------

TEST(SelectTest, HandlerMayThrowThroughSelect) {
  const Chan<int> a = MakeChan<int>(1), b = MakeChan<int>(1);
  a.Send(1);
  EXPECT_THROW(
      Select(OnRecv(a, [](auto) { throw std::runtime_error("x"); }), OnRecv(b)),
      std::runtime_error);
  EXPECT_THROW(Select(OnDefault([] { throw std::runtime_error("x"); })),
               std::runtime_error);
  // Nothing is locked, and nobody stands in a queue.
  EXPECT_EQ(a.Len(), 0u);
  int v = 2;
  EXPECT_TRUE(a.TrySend(v));
  EXPECT_TRUE(b.TrySend(v));
  EXPECT_EQ(a.Len(), 1u);
  EXPECT_EQ(b.Len(), 1u);
}

TEST(SelectTest, HandlerMaySelectAndBlockAndUseTheSameChannels) {
  const Chan<int> a = MakeChan<int>(1), b = MakeChan<int>(1);
  a.Send(1);
  std::vector<int> seen;
  Select(OnRecv(a,
                [&](std::optional<int> v) {
                  seen.push_back(*v);
                  a.Send(2);
                  Select(OnRecv(a, [&](auto w) { seen.push_back(*w); }),
                         OnRecv(b));
                }),
         OnRecv(b));
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

// --- Blocking ---------------------------------------------------------------

TEST(SelectTest, BlocksUntilOneIsReadyAndLeavesTheOthersClean) {
  const Chan<int> a = MakeChan<int>(), b = MakeChan<int>();
  for (int round = 0; round < 20; ++round) {
    int chosen = -1;
    std::optional<int> got;
    Threads threads;
    threads.Start([&] {
      chosen = Select(OnRecv(a, [&](auto v) { got = v; }),
                      OnRecv(b, [&](auto v) { got = v; }));
    });
    WaitUntilParked(1);
    const bool use_b = round % 2 == 1;
    (use_b ? b : a).Send(round);
    threads.Join();
    EXPECT_EQ(chosen, use_b);
    EXPECT_EQ(got, round);
    int v = 1;
    EXPECT_FALSE(a.TrySend(v));  // no receiver is left behind
    EXPECT_FALSE(b.TrySend(v));
  }
}

TEST(SelectTest, BlockedSendIsTakenDirectly) {
  const auto a = MakeChan<std::string>();
  const auto b = MakeChan<std::string>(1);
  b.Send("full");
  int chosen = -1;
  Threads threads;
  threads.Start([&] { chosen = Select(OnSend(a, "A"), OnSend(b, "B")); });
  WaitUntilParked(1);
  EXPECT_EQ(b.Recv(), "full");
  EXPECT_EQ(b.Len(), 1u);  // the Select's value moved up into the buffer
  threads.Join();
  EXPECT_EQ(chosen, 1);
  EXPECT_EQ(b.Recv(), "B");
  EXPECT_FALSE(a.TryRecv().has_value());
}

TEST(SelectTest, CloseWakesABlockedSelect) {
  const Chan<int> a = MakeChan<int>(), b = MakeChan<int>();
  bool engaged = true;
  Threads threads;
  threads.Start([&] {
    Select(OnRecv(a), OnRecv(b, [&](auto v) { engaged = v.has_value(); }));
  });
  WaitUntilParked(1);
  b.Close();
  threads.Join();
  EXPECT_FALSE(engaged);
}

TEST(SelectTest, CloseMakesABlockedSendCasePanic) {
  const Chan<int> a = MakeChan<int>(), b = MakeChan<int>();
  Threads threads;
  threads.Start(
      [&] { ExpectSendPanics([&] { Select(OnSend(a, 1), OnSend(b, 1)); }); });
  WaitUntilParked(1);
  a.Close();
  threads.Join();
  EXPECT_EQ(b.TryRecv(), std::nullopt);  // the other offer is withdrawn
}

TEST(SelectTest, ManySelectsOnOneChannelAreAllWokenByClose) {
  const Chan<Unit> done = MakeChan<Unit>();
  std::atomic<int> woken{0};
  Threads threads;
  for (int i = 0; i < 8; ++i) {
    threads.Start([&] {
      const Chan<int> own = MakeChan<int>();
      if (Select(OnRecv(own), OnRecv(done)) == 1) ++woken;
    });
  }
  for (int i = 0; i < 2; ++i) {
    threads.Start([&] {
      done.Recv();
      ++woken;
    });
  }
  WaitUntilParked(10);
  done.Close();
  threads.Join();
  EXPECT_EQ(woken, 10);
}

TEST(SelectTest, ReceiversAndSelectsShareOneQueueInOrder) {
  const Chan<int> ch = MakeChan<int>(), other = MakeChan<int>();
  std::array<int, 6> got{};
  Threads threads;
  for (int i = 0; i < 6; ++i) {
    threads.Start([&, i] {
      if (i % 2 == 0) {
        got[i] = *ch.Recv();
      } else {
        Select(OnRecv(other), OnRecv(ch, [&](auto v) { got[i] = *v; }));
      }
    });
    WaitUntilParked(i + 1);
  }
  for (int i = 0; i < 6; ++i) ch.Send(i);
  threads.Join();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(got[i], i);
}

TEST(SelectTest, SameChannelInSeveralCases) {
  const Chan<int> ch = MakeChan<int>();
  for (int round = 0; round < 100; ++round) {
    std::optional<int> got;
    Threads threads;
    threads.Start([&] {
      Select(OnRecv(ch, [&](auto v) { got = v; }),
             OnRecv(ch, [&](auto v) { got = v; }),
             OnRecv(ch, [&](auto v) { got = v; }));
    });
    if (round % 2 == 0) WaitUntilParked(1);
    ch.Send(round);
    threads.Join();
    EXPECT_EQ(got, round);
    int v = 0;
    EXPECT_FALSE(ch.TrySend(v));
  }
}

TEST(SelectTest, DoesNotMeetItself) {
  // As Go's TestSelfSelect: each of two sends and receives on one channel, and
  // must get the other's values only.
  for (size_t capacity : {0, 10}) {
    const Chan<int> ch = MakeChan<int>(capacity);
    Threads threads;
    for (int p = 0; p < 2; ++p) {
      threads.Start([=] {
        for (int i = 0; i < 1000; ++i) {
          const auto check = [&](std::optional<int> v) {
            if (capacity == 0) {
              EXPECT_NE(v, p);
            }
          };
          if (p == 0 || i % 2 == 0) {
            Select(OnSend(ch, p), OnRecv(ch, check));
          } else {
            Select(OnRecv(ch, check), OnSend(ch, p));
          }
        }
        // The other may be left without a partner.
        while (ch.TryRecv()) {
        }
        ch.Cap() == 0 ? Select(OnSend(ch, p), OnDefault()) : 0;
      });
    }
    std::atomic<bool> stop{false};
    Threads drain;
    drain.Start([&] {
      while (!stop) {
        ch.TryRecv();
        std::this_thread::yield();
      }
    });
    threads.Join();
    stop = true;
  }
}

TEST(SelectTest, TwoSelectsOnTheSamePairNeitherMissNorDeadlock) {
  // As Go's TestSelectStress in small: opposite orders of the same channels.
  const Chan<int> a = MakeChan<int>(), b = MakeChan<int>();
  constexpr int kRounds = 5000;
  std::atomic<int64_t> sent{0}, received{0};
  Threads threads;
  for (int p = 0; p < 2; ++p) {
    threads.Start([&, p] {
      for (int i = 0; i < kRounds; ++i) {
        sent += i;
        p == 0 ? Select(OnSend(a, i), OnSend(b, i))
               : Select(OnSend(b, i), OnSend(a, i));
      }
    });
    threads.Start([&, p] {
      const auto add = [&](std::optional<int> v) { received += *v; };
      for (int i = 0; i < kRounds; ++i) {
        p == 0 ? Select(OnRecv(a, add), OnRecv(b, add))
               : Select(OnRecv(b, add), OnRecv(a, add));
      }
    });
  }
  threads.Join();
  EXPECT_EQ(sent, received);
}

TEST(SelectTest, DoubleSelectNeverTakesTwo) {
  // As Go's doubleselect.go: a sender that offers one value on four channels
  // must have it taken exactly once.
  const Chan<int> c1 = MakeChan<int>(), c2 = MakeChan<int>(),
                  c3 = MakeChan<int>(), c4 = MakeChan<int>();
  const Chan<int> merged = MakeChan<int>();
  constexpr int kRounds = 2000;
  Threads threads;
  threads.Start([&] {
    for (int i = 0; i < kRounds; ++i) {
      Select(OnSend(c1, i), OnSend(c2, i), OnSend(c3, i), OnSend(c4, i));
    }
    for (const auto& c : {c1, c2, c3, c4}) c.Close();
  });
  std::atomic<int> open{4};
  for (const auto& c : {c1, c2, c3, c4}) {
    threads.Start([&, c] {
      for (int v : c) merged.Send(v);
      if (--open == 0) merged.Close();
    });
  }
  std::vector<int> seen(kRounds);
  for (int v : merged) ++seen[v];
  for (int i = 0; i < kRounds; ++i) ASSERT_EQ(seen[i], 1) << i;
}

// --- Spans ------------------------------------------------------------------

TEST(SelectTest, SpanOfAnyLength) {
  for (int n : {1, 2, 4, 5, 16, 17, 100}) {
    std::vector<Chan<int>> ch;
    std::vector<SelectCase> cases;
    int got = -1;
    for (int i = 0; i < n; ++i) {
      ch.push_back(MakeChan<int>());
      cases.push_back(OnRecv(ch[i], [&got](auto v) { got = *v; }));
    }
    for (int i = 0; i < n; i += 1 + n / 10) {
      int chosen = -1;
      Threads threads;
      threads.Start([&] { chosen = Select(absl::MakeSpan(cases)); });
      ch[i].Send(i * 3);
      threads.Join();
      EXPECT_EQ(chosen, i);
      EXPECT_EQ(got, i * 3);
    }
    cases.push_back(OnDefault([&got] { got = -7; }));
    EXPECT_EQ(Select(absl::MakeSpan(cases)), n);
    EXPECT_EQ(got, -7);
  }
}

TEST(SelectTest, SpanCasesKeepTheirChannelValueAndHandler) {
  std::vector<SelectCase> cases;
  Chan<std::string> in = MakeChan<std::string>(1);
  Chan<std::unique_ptr<int>> out = MakeChan<std::unique_ptr<int>>(1);
  std::string got;
  {
    auto handler = [&got, big = std::string(100, 'h')](
                       std::optional<std::string> s) { got = *s + big; };
    cases.push_back(OnRecv(in, handler));
    cases.push_back(OnSend(out, std::make_unique<int>(9)));
  }
  out.Send(nullptr);
  in.Send("in");
  in = Chan<std::string>();
  EXPECT_EQ(Select(absl::MakeSpan(cases)), 0);
  EXPECT_EQ(got, "in" + std::string(100, 'h'));
  out.Recv();
  EXPECT_EQ(Select(absl::MakeSpan(cases)), 1);
  EXPECT_EQ(**out.Recv(), 9);
}

TEST(SelectTest, SpanRecvCaseReportsClosedAfterAValue) {
  const auto ch = MakeChan<std::string>(1);
  std::vector<std::optional<std::string>> got;
  std::vector<SelectCase> cases;
  cases.push_back(
      OnRecv(ch, [&](std::optional<std::string> s) { got.push_back(s); }));
  ch.Send("last");
  ch.Close();
  Select(absl::MakeSpan(cases));
  Select(absl::MakeSpan(cases));
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0], "last");
  EXPECT_EQ(got[1], std::nullopt);
}

TEST(SelectTest, TwoDefaultsInASpanPanic) {
  std::vector<SelectCase> cases;
  cases.push_back(OnDefault());
  cases.push_back(OnDefault());
  EXPECT_THROW(Select(absl::MakeSpan(cases)), Panic);
}

// --- Move constructors that throw -------------------------------------------

using Thrower = Counted<11, true>;

TEST(SelectTest, ThrowingMoveLeavesNoCaseDone) {
  {
    const auto a = MakeChan<Thrower>(1);
    const auto b = MakeChan<Thrower>();
    Thrower v(1);
    Thrower::throw_in = 1;
    EXPECT_THROW(Select(OnSend(a, std::move(v)), OnRecv(b)),
                 std::runtime_error);
    EXPECT_EQ(v.value, 1);
    EXPECT_EQ(a.Len(), 0u);
    EXPECT_EQ(Select(OnSend(a, std::move(v)), OnRecv(b)), 0);
    Thrower::throw_in = 1;
    EXPECT_THROW(Select(OnRecv(a), OnRecv(b)), std::runtime_error);
    EXPECT_EQ(Select(OnRecv(a), OnRecv(b)), 0);
  }
  EXPECT_EQ(Thrower::alive, 0);
}

TEST(SelectTest, BlockedSelectWaitsOnIfItsPartnerThrows) {
  {
    const auto a = MakeChan<Thrower>();
    const auto b = MakeChan<Thrower>();
    int got = 0;
    Threads threads;
    threads.Start([&] {
      Select(OnRecv(a, [&](std::optional<Thrower> t) { got = t->value; }),
             OnRecv(b));
    });
    WaitUntilParked(1);
    Thrower v(5);
    Thrower::throw_in = 1;
    EXPECT_THROW(a.TrySend(v), std::runtime_error);
    a.Send(std::move(v));
    threads.Join();
    EXPECT_EQ(got, 5);
  }
  EXPECT_EQ(Thrower::alive, 0);
}

// --- A program --------------------------------------------------------------

// Arithmetic on polynomials whose coefficients come over channels, lowest
// first, each operation a thread: as McIlroy's power series, Go's powser1.go.
class Polynomials {
 public:
  using Series = RecvChan<int64_t>;

  Series Of(std::vector<int64_t> coefficients) {
    return Start([=](const Chan<int64_t>& out) {
      for (int64_t c : coefficients) out.Send(c);
    });
  }

  Series Add(Series f, Series g) {
    return Start([f, g](const Chan<int64_t>& out) {
      for (;;) {
        // Takes one from each in whichever order they come: a channel that has
        // given becomes nil.
        std::optional<int64_t> a, b;
        Series from_f = f, from_g = g;
        while (from_f || from_g) {
          const Series ff = from_f, gg = from_g;
          Select(OnRecv(ff, [&](auto v) { a = v, from_f = Series(); }),
                 OnRecv(gg, [&](auto v) { b = v, from_g = Series(); }));
        }
        if (!a && !b) return;
        out.Send(a.value_or(0) + b.value_or(0));
      }
    });
  }

  // c * f, times x if `shift`.
  Series Scale(int64_t c, Series f, bool shift = false) {
    return Start([=](const Chan<int64_t>& out) {
      if (shift) out.Send(0);
      for (int64_t v : f) out.Send(c * v);
    });
  }

  Series Multiply(Series f, Series g) {
    return Start([=](const Chan<int64_t>& out) {
      const std::optional<int64_t> f0 = f.Recv(), g0 = g.Recv();
      if (!f0 || !g0) {
        while (f.Recv()) {
        }
        while (g.Recv()) {
        }
        return;
      }
      out.Send(*f0 * *g0);
      // With f = f0 + x f1 and g likewise: what follows is
      // f0 g1 + g0 f1 + x f1 g1.
      const auto [fa, fb] = Split(f);
      const auto [ga, gb] = Split(g);
      const Series linear = Add(Scale(*f0, ga), Scale(*g0, fa));
      for (int64_t v :
           Add(linear, Scale(1, Multiply(fb, gb), /*shift=*/true))) {
        out.Send(v);
      }
    });
  }

  ~Polynomials() {
    for (std::thread& t : threads_) t.join();
  }

 private:
  template <class F>
  Series Start(F f) {
    const Chan<int64_t> out = MakeChan<int64_t>();
    std::lock_guard<std::mutex> lock(mutex_);
    threads_.emplace_back([f, out] {
      f(out);
      out.Close();
    });
    return out;
  }

  std::pair<Series, Series> Split(Series f) {
    const Chan<int64_t> second = MakeChan<int64_t>();
    const Series first = Start([=](const Chan<int64_t>& out) {
      for (int64_t v : f) {
        // To both, in whichever order they ask.
        Chan<int64_t> a = out, b = second;
        while (a || b) {
          const Chan<int64_t> aa = a, bb = b;
          Select(OnSend(aa, v, [&] { a = Chan<int64_t>(); }),
                 OnSend(bb, v, [&] { b = Chan<int64_t>(); }));
        }
      }
      second.Close();
    });
    return {first, second};
  }

  std::mutex mutex_;
  std::list<std::thread> threads_;
};

TEST(SelectTest, PowerSeries) {
  Polynomials p;
  // (1 + x)^3 (1 + x)^4 = (1 + x)^7
  std::vector<int64_t> got;
  for (int64_t v : p.Multiply(p.Of({1, 3, 3, 1}), p.Of({1, 4, 6, 4, 1}))) {
    got.push_back(v);
  }
  while (!got.empty() && got.back() == 0) got.pop_back();
  EXPECT_EQ(got, (std::vector<int64_t>{1, 7, 21, 35, 35, 21, 7, 1}));
}

}  // namespace
}  // namespace mpg
