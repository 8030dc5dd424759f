#include "channel/chan.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "base/panic.h"
#include "channel/test_util.h"
#include "channel/unit.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

using channel_test::Counted;
using channel_test::Threads;
using channel_test::WaitUntilParked;

template <class F>
std::string PanicOf(F f) {
  try {
    f();
  } catch (const Panic& p) {
    return p.what();
  }
  return "no panic";
}

// --- One thread: what never blocks ------------------------------------------

TEST(ChanTest, BufferedValuesComeOutInOrder) {
  const Chan<int> ch = MakeChan<int>(3);
  EXPECT_EQ(ch.Cap(), 3u);
  for (int round = 0; round < 5; ++round) {  // the ring wraps
    ch.Send(10);
    ch.Send(11);
    EXPECT_EQ(ch.Len(), 2u);
    EXPECT_EQ(ch.Recv(), 10);
    EXPECT_EQ(ch.Recv(), 11);
    EXPECT_EQ(ch.Len(), 0u);
  }
}

TEST(ChanTest, TrySendFailsOnFullAndLeavesTheValue) {
  const auto ch = MakeChan<std::unique_ptr<int>>(1);
  auto a = std::make_unique<int>(1);
  auto b = std::make_unique<int>(2);
  EXPECT_TRUE(ch.TrySend(a));
  EXPECT_EQ(a, nullptr);
  EXPECT_FALSE(ch.TrySend(b));
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(*b, 2);
  EXPECT_EQ(**ch.Recv(), 1);
}

TEST(ChanTest, TryOperationsFailOnUnbufferedWithoutPartner) {
  const Chan<int> ch = MakeChan<int>();
  int v = 1;
  EXPECT_FALSE(ch.TrySend(v));
  bool closed = true;
  EXPECT_EQ(ch.TryRecv(&closed), std::nullopt);
  EXPECT_FALSE(closed);
}

TEST(ChanTest, ClosedChannelDrainsThenReportsClosed) {
  const Chan<int> ch = MakeChan<int>(2);
  ch.Send(1);
  ch.Send(2);
  ch.Close();
  EXPECT_EQ(ch.Recv(), 1);
  bool closed = true;
  EXPECT_EQ(ch.TryRecv(&closed), 2);
  EXPECT_FALSE(closed);
  EXPECT_EQ(ch.TryRecv(&closed), std::nullopt);
  EXPECT_TRUE(closed);
  EXPECT_EQ(ch.Recv(), std::nullopt);
  EXPECT_EQ(ch.Recv(), std::nullopt);
}

TEST(ChanTest, MisusePanicsInGosWords) {
  const Chan<int> ch = MakeChan<int>(1);
  ch.Close();
  int v = 1;
  EXPECT_EQ(PanicOf([&] { ch.Send(1); }), "send on closed channel");
  EXPECT_EQ(PanicOf([&] { ch.TrySend(v); }), "send on closed channel");
  EXPECT_EQ(PanicOf([&] { ch.Close(); }), "close of closed channel");
  EXPECT_EQ(PanicOf([] { Chan<int>().Close(); }), "close of nil channel");
  EXPECT_EQ(PanicOf([] { MakeChan<int>(SIZE_MAX); }),
            "makechan: size out of range");
  EXPECT_EQ(PanicOf([] { MakeChan<int64_t>(PTRDIFF_MAX / 8); }),
            "makechan: size out of range");
  EXPECT_EQ(PanicOf([] { MakeChan<Unit>(SIZE_MAX); }),
            "makechan: size out of range");
  // The panics left nothing locked.
  EXPECT_EQ(ch.Recv(), std::nullopt);
}

TEST(ChanTest, SendOnFullClosedChannelPanicsToo) {
  const Chan<int> ch = MakeChan<int>(1);
  ch.Send(1);
  ch.Close();
  int v = 2;
  EXPECT_EQ(PanicOf([&] { ch.TrySend(v); }), "send on closed channel");
  EXPECT_EQ(PanicOf([&] { ch.Send(v); }), "send on closed channel");
  EXPECT_EQ(ch.Recv(), 1);
}

TEST(ChanTest, NilChannelIsNeverReady) {
  const Chan<int> nil;
  EXPECT_FALSE(nil);
  EXPECT_EQ(nil.Len(), 0u);
  EXPECT_EQ(nil.Cap(), 0u);
  int v = 1;
  EXPECT_FALSE(nil.TrySend(v));
  bool closed = true;
  EXPECT_EQ(nil.TryRecv(&closed), std::nullopt);
  EXPECT_FALSE(closed);
}

TEST(ChanTest, UnitTakesNoMemoryWhateverTheCapacity) {
  const Chan<Unit> ch = MakeChan<Unit>(size_t{1} << 50);
  for (int i = 0; i < 1000; ++i) ch.Send(Unit{});
  EXPECT_EQ(ch.Len(), 1000u);
  int n = 0;
  while (ch.TryRecv()) ++n;
  EXPECT_EQ(n, 1000);
}

TEST(ChanTest, HandlesNameTheSameChannel) {
  const Chan<int> a = MakeChan<int>(1);
  const Chan<int> b = a;
  const Chan<int> c = MakeChan<int>(1);
  EXPECT_TRUE(a);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(Chan<int>(), Chan<int>());
  b.Send(5);
  EXPECT_EQ(a.Recv(), 5);

  const SendChan<int> s = a;
  const RecvChan<int> r = a;
  EXPECT_EQ(s, SendChan<int>(b));
  EXPECT_EQ(r, b);
  EXPECT_NE(r, c);
  s.Send(6);
  EXPECT_EQ(r.Len(), 1u);
  EXPECT_EQ(r.Recv(), 6);
  s.Close();
  EXPECT_EQ(r.Recv(), std::nullopt);

  EXPECT_EQ(absl::HashOf(a), absl::HashOf(b));
  std::unordered_set<Chan<int>> set = {a, b, c};
  EXPECT_EQ(set.size(), 2u);
  std::unordered_set<RecvChan<int>> receivers = {r, b, c};
  EXPECT_EQ(receivers.size(), 2u);
}

TEST(ChanTest, HandlesConvertOnlyTowardsLess) {
  using C = Chan<int>;
  using S = SendChan<int>;
  using R = RecvChan<int>;
  static_assert(std::is_convertible_v<C, S> && std::is_convertible_v<C, R>);
  static_assert(!std::is_convertible_v<S, C> && !std::is_convertible_v<R, C>);
  static_assert(!std::is_convertible_v<S, R> && !std::is_convertible_v<R, S>);
  static_assert(!std::is_convertible_v<C, bool>);
  static_assert(sizeof(C) == sizeof(void*));
}

TEST(ChanTest, MovedFromHandleIsNil) {
  Chan<int> a = MakeChan<int>();
  Chan<int> b = std::move(a);
  EXPECT_FALSE(a);
  EXPECT_TRUE(b);
  a = b;
  b = Chan<int>();
  EXPECT_TRUE(a);
  EXPECT_FALSE(b);
  Chan<int>& alias = a;
  a = alias;
  EXPECT_TRUE(a);
}

TEST(ChanTest, ChannelsOfChannels) {
  // Go's idiom of a reply channel in the request.
  struct Request {
    int x;
    Chan<int> reply;
  };
  const auto requests = MakeChan<Request>();
  Threads threads;
  threads.Start([requests] {
    for (Request r : requests) r.reply.Send(r.x * r.x);
  });
  const auto reply = MakeChan<int>();
  for (int i = 0; i < 10; ++i) {
    requests.Send({i, reply});
    EXPECT_EQ(reply.Recv(), i * i);
  }
  requests.Close();
}

TEST(ChanTest, ElementMayContainAChannelOfItsOwnType) {
  // The power series of Go's tests are made of such.
  struct Node {
    int value;
    RecvChan<Node> next;
  };
  const Chan<Node> a = MakeChan<Node>(1), b = MakeChan<Node>(1);
  b.Send({2, RecvChan<Node>()});
  a.Send({1, b});
  const Node first = *a.Recv();
  EXPECT_EQ(first.value, 1);
  EXPECT_EQ(first.next.Recv()->value, 2);
}

// --- Element types ----------------------------------------------------------

template <class T>
class ChanElementTest : public testing::Test {};

struct ThreeBytes {
  unsigned char b[3];
};
struct TwelveBytes {
  int32_t a, b, c;
};
struct Large {
  std::array<int, 16384> a;  // 64 KiB
};
struct alignas(256) OverAligned {
  int v;
};

template <class T>
T Make(int i) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string(40, 'x') + std::to_string(i);
  } else if constexpr (std::is_same_v<T, std::unique_ptr<int>>) {
    return std::make_unique<int>(i);
  } else if constexpr (std::is_same_v<T, ThreeBytes>) {
    return {{static_cast<unsigned char>(i), 7, static_cast<unsigned char>(~i)}};
  } else if constexpr (std::is_same_v<T, TwelveBytes>) {
    return {i, i + 1, i + 2};
  } else if constexpr (std::is_same_v<T, Large>) {
    Large l{};
    l.a.front() = i;
    l.a.back() = ~i;
    return l;
  } else if constexpr (std::is_same_v<T, OverAligned>) {
    return {i};
  } else if constexpr (std::is_same_v<T, Unit>) {
    return {};
  } else {
    return static_cast<T>(i);
  }
}

template <class T>
bool Is(const T& v, int i) {
  if constexpr (std::is_same_v<T, std::unique_ptr<int>>) {
    return *v == i;
  } else if constexpr (std::is_same_v<T, ThreeBytes>) {
    return v.b[0] == static_cast<unsigned char>(i) && v.b[1] == 7 &&
           v.b[2] == static_cast<unsigned char>(~i);
  } else if constexpr (std::is_same_v<T, TwelveBytes>) {
    return v.a == i && v.b == i + 1 && v.c == i + 2;
  } else if constexpr (std::is_same_v<T, Large>) {
    return v.a.front() == i && v.a.back() == ~i;
  } else if constexpr (std::is_same_v<T, OverAligned>) {
    return v.v == i && reinterpret_cast<uintptr_t>(&v) % alignof(T) == 0;
  } else {
    return v == Make<T>(i);
  }
}

using ElementTypes =
    testing::Types<Unit, bool, char, int16_t, ThreeBytes, int, double, void*,
                   TwelveBytes, __int128, std::string, std::unique_ptr<int>,
                   Large, OverAligned>;

template <>
void* Make<void*>(int i) {
  return reinterpret_cast<void*>(static_cast<intptr_t>(i));
}

TYPED_TEST_SUITE(ChanElementTest, ElementTypes);

TYPED_TEST(ChanElementTest, PassesThroughTheBuffer) {
  const auto ch = MakeChan<TypeParam>(3);
  for (int i = 0; i < 20; i += 2) {
    ch.Send(Make<TypeParam>(i));
    ch.Send(Make<TypeParam>(i + 1));
    EXPECT_TRUE(Is(*ch.Recv(), i));
    std::optional<TypeParam> v = ch.TryRecv();
    ASSERT_TRUE(v.has_value());
    EXPECT_TRUE(Is(*v, i + 1));
  }
  ch.Send(Make<TypeParam>(1));  // destroyed with the channel
}

TYPED_TEST(ChanElementTest, PassesFromThreadToThread) {
  for (size_t capacity : {0, 1, 5}) {
    const auto ch = MakeChan<TypeParam>(capacity);
    Threads threads;
    threads.Start([ch] {
      for (int i = 0; i < 300; ++i) ch.Send(Make<TypeParam>(i));
      ch.Close();
    });
    int i = 0;
    for (TypeParam v : ch) EXPECT_TRUE(Is(v, i++));
    EXPECT_EQ(i, 300);
  }
}

// --- Blocking ---------------------------------------------------------------

TEST(ChanTest, SendBlocksUntilReceived) {
  const Chan<int> ch = MakeChan<int>();
  std::atomic<bool> sent{false};
  Threads threads;
  threads.Start([&] {
    ch.Send(7);
    sent = true;
  });
  WaitUntilParked(1);
  EXPECT_FALSE(sent);
  EXPECT_EQ(ch.Len(), 0u);
  EXPECT_EQ(ch.TryRecv(), 7);
  threads.Join();
  EXPECT_TRUE(sent);
}

TEST(ChanTest, RecvBlocksUntilSent) {
  const Chan<int> ch = MakeChan<int>();
  std::optional<int> got;
  Threads threads;
  threads.Start([&] { got = ch.Recv(); });
  WaitUntilParked(1);
  int v = 8;
  EXPECT_TRUE(ch.TrySend(v));
  threads.Join();
  EXPECT_EQ(got, 8);
}

TEST(ChanTest, ParkedReceiverOfBufferedChannelGetsTheValueDirectly) {
  const Chan<int> ch = MakeChan<int>(4);
  std::optional<int> got;
  Threads threads;
  threads.Start([&] { got = ch.Recv(); });
  WaitUntilParked(1);
  ch.Send(1);
  EXPECT_EQ(ch.Len(), 0u);  // it never was in the buffer
  threads.Join();
  EXPECT_EQ(got, 1);
}

TEST(ChanTest, ParkedSenderMovesUpWhenTheFullBufferGetsRoom) {
  const Chan<int> ch = MakeChan<int>(2);
  ch.Send(0);
  ch.Send(1);
  Threads threads;
  threads.Start([&] { ch.Send(2); });
  WaitUntilParked(1);
  EXPECT_EQ(ch.Recv(), 0);
  EXPECT_EQ(ch.Len(), 2u);  // at once: 1 and the sender's 2
  threads.Join();
  EXPECT_EQ(ch.Recv(), 1);
  EXPECT_EQ(ch.Recv(), 2);
}

TEST(ChanTest, ReceiversAreServedFirstComeFirstServed) {
  const Chan<int> ch = MakeChan<int>();
  constexpr int kCount = 10;
  std::array<std::optional<int>, kCount> got;
  Threads threads;
  for (int i = 0; i < kCount; ++i) {
    threads.Start([&, i] { got[i] = ch.Recv(); });
    WaitUntilParked(i + 1);
  }
  for (int i = 0; i < kCount; ++i) ch.Send(i);
  threads.Join();
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(got[i], i);
}

TEST(ChanTest, SendersAreServedFirstComeFirstServed) {
  for (size_t capacity : {0, 3}) {
    const Chan<int> ch = MakeChan<int>(capacity);
    for (size_t i = 0; i < capacity; ++i) ch.Send(-1);
    Threads threads;
    for (int i = 0; i < 10; ++i) {
      threads.Start([&, i] { ch.Send(i); });
      WaitUntilParked(i + 1);
    }
    for (size_t i = 0; i < capacity; ++i) EXPECT_EQ(ch.Recv(), -1);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ch.Recv(), i);
  }
}

TEST(ChanTest, CloseWakesAllReceivers) {
  const Chan<int> ch = MakeChan<int>();
  std::atomic<int> closed{0};
  Threads threads;
  for (int i = 0; i < 8; ++i) {
    threads.Start([&] { closed += !ch.Recv().has_value(); });
  }
  WaitUntilParked(8);
  ch.Close();
  threads.Join();
  EXPECT_EQ(closed, 8);
}

TEST(ChanTest, CloseMakesBlockedSendersPanic) {
  using V = Counted<1>;
  {
    const auto ch = MakeChan<V>(1);
    ch.Send(V(0));
    std::atomic<int> panics{0};
    Threads threads;
    for (int i = 0; i < 8; ++i) {
      threads.Start([&, i] {
        panics += PanicOf([&] { ch.Send(V(i)); }) == "send on closed channel";
      });
    }
    WaitUntilParked(8);
    ch.Close();
    threads.Join();
    EXPECT_EQ(panics, 8);
    EXPECT_EQ(ch.Recv()->value, 0);
    EXPECT_FALSE(ch.Recv().has_value());
  }
  EXPECT_EQ(V::alive, 0);
}

TEST(ChanTest, RangeEndsWithTheChannel) {
  const Chan<std::string> ch = MakeChan<std::string>(2);
  Threads threads;
  threads.Start([ch] {
    for (int i = 0; i < 50; ++i) ch.Send(std::to_string(i));
    ch.Close();
  });
  int i = 0;
  for (const std::string& s : RecvChan<std::string>(ch)) {
    EXPECT_EQ(s, std::to_string(i++));
  }
  EXPECT_EQ(i, 50);
  for (const std::string& s : ch) ADD_FAILURE() << s;
}

TEST(ChanTest, WhatWasWrittenBeforeSendIsReadAfterRecv) {
  // Under TSan this checks the edges of Go's memory model: a plain variable is
  // handed to and fro.
  int shared = 0;
  const Chan<Unit> there = MakeChan<Unit>();
  const Chan<Unit> back = MakeChan<Unit>(1);
  Threads threads;
  threads.Start([&] {
    for (int i = 0; i < 1000; ++i) {
      there.Recv();
      ++shared;
      back.Send(Unit{});
    }
  });
  for (int i = 0; i < 1000; ++i) {
    ++shared;
    there.Send(Unit{});
    back.Recv();
  }
  EXPECT_EQ(shared, 2000);
}

TEST(ChanTest, BufferedChannelIsASemaphore) {
  // The k-th Recv happens before the (k + capacity)-th Send returns.
  const Chan<Unit> semaphore = MakeChan<Unit>(1);
  int shared = 0;
  Threads threads;
  for (int t = 0; t < 4; ++t) {
    threads.Start([&] {
      for (int i = 0; i < 500; ++i) {
        semaphore.Send(Unit{});
        ++shared;
        semaphore.Recv();
      }
    });
  }
  threads.Join();
  EXPECT_EQ(shared, 2000);
}

// --- Whose values end when --------------------------------------------------

TEST(ChanTest, BufferedValuesEndWithTheLastHandle) {
  using V = Counted<2>;
  Chan<V> a = MakeChan<V>(5);
  for (int round = 0; round < 3; ++round) {
    a.Send(V(1));
    a.Recv();
  }
  for (int i = 0; i < 4; ++i) a.Send(V(i));  // wraps around
  EXPECT_EQ(V::alive, 4);
  Chan<V> b = a;
  a = Chan<V>();
  EXPECT_EQ(V::alive, 4);
  b = Chan<V>();
  EXPECT_EQ(V::alive, 0);
}

TEST(ChanTest, EveryValueIsDestroyedOnce) {
  using V = Counted<3>;
  for (size_t capacity : {0, 1, 3}) {
    const auto ch = MakeChan<V>(capacity);
    int64_t sum = 0;
    Threads threads;
    threads.Start([ch] {
      for (int i = 0; i < 1000; ++i) ch.Send(V(i));
      ch.Close();
    });
    while (std::optional<V> v = ch.Recv()) sum += v->value;
    EXPECT_EQ(sum, 499500);
    threads.Join();
    EXPECT_EQ(V::alive, 0);
  }
}

TEST(ChanTest, BufferedValueMovesTwiceAndNoMore) {
  using V = Counted<4>;
  const auto ch = MakeChan<V>(1);
  V v(1);
  V::moves = 0;
  EXPECT_TRUE(ch.TrySend(v));
  std::optional<V> got = ch.Recv();
  EXPECT_EQ(V::moves, 2);  // into the buffer, out of the buffer
}

// --- Move constructors that throw -------------------------------------------

using Thrower = Counted<5, true>;

class ChanThrowTest : public testing::Test {
 protected:
  void TearDown() override {
    Thrower::throw_in = 0;
    Thrower::keep_throwing = false;
    EXPECT_EQ(Thrower::alive, 0);
  }
};

TEST_F(ChanThrowTest, SendIntoBufferThatThrowsHasNotHappened) {
  const auto ch = MakeChan<Thrower>(1);
  Thrower v(1);
  Thrower::throw_in = 1;
  EXPECT_THROW(ch.TrySend(v), std::runtime_error);
  EXPECT_EQ(ch.Len(), 0u);
  EXPECT_EQ(v.value, 1);
  EXPECT_TRUE(ch.TrySend(v));
  EXPECT_EQ(ch.Recv()->value, 1);
}

TEST_F(ChanThrowTest, RecvFromBufferThatThrowsHasNotHappened) {
  const auto ch = MakeChan<Thrower>(2);
  ch.Send(Thrower(1));
  ch.Send(Thrower(2));
  Thrower::throw_in = 1;
  EXPECT_THROW(ch.Recv(), std::runtime_error);
  EXPECT_EQ(ch.Len(), 2u);
  EXPECT_EQ(ch.Recv()->value, 1);
  EXPECT_EQ(ch.Recv()->value, 2);
}

TEST_F(ChanThrowTest, ReceiverWaitsOnIfTheSenderThrows) {
  const auto ch = MakeChan<Thrower>();
  std::optional<int> got;
  Threads threads;
  threads.Start([&] { got = ch.Recv()->value; });
  WaitUntilParked(1);
  Thrower v(3);
  Thrower::throw_in = 1;
  EXPECT_THROW(ch.TrySend(v), std::runtime_error);
  WaitUntilParked(1);
  ch.Send(std::move(v));
  threads.Join();
  EXPECT_EQ(got, 3);
}

TEST_F(ChanThrowTest, SenderWaitsOnIfTheReceiverThrows) {
  const auto ch = MakeChan<Thrower>();
  Threads threads;
  threads.Start([&] { ch.Send(Thrower(4)); });
  WaitUntilParked(1);
  Thrower::throw_in = 1;
  EXPECT_THROW(ch.TryRecv(), std::runtime_error);
  EXPECT_EQ(ch.Recv()->value, 4);
}

TEST_F(ChanThrowTest, ParkedSenderMeetsItsOwnException) {
  const auto ch = MakeChan<Thrower>(1);
  ch.Send(Thrower(1));
  std::atomic<bool> thrown{false};
  Threads threads;
  threads.Start([&] {
    try {
      ch.Send(Thrower(2));
    } catch (const std::runtime_error&) {
      thrown = true;
    }
  });
  WaitUntilParked(1);
  // The receiver moves 1 out of the buffer, then fails to move 2 in; it has its
  // value and no exception. The sender fails likewise when it tries itself.
  Thrower::throw_in = 2;
  Thrower::keep_throwing = true;
  EXPECT_EQ(ch.Recv()->value, 1);
  threads.Join();
  EXPECT_TRUE(thrown);
  EXPECT_EQ(ch.Len(), 0u);
}

TEST_F(ChanThrowTest, AFailedHandOverDoesNotStrandTheNextSender) {
  const auto ch = MakeChan<Thrower>(1);
  ch.Send(Thrower(0));
  Threads threads;
  for (int i = 1; i <= 2; ++i) {
    threads.Start([&, i] { ch.Send(Thrower(i)); });
    WaitUntilParked(i);
  }
  Thrower::throw_in = 2;  // moving 1 into the freed slot
  EXPECT_EQ(ch.Recv()->value, 0);
  EXPECT_EQ(ch.Recv()->value, 2);  // 1 lost its place
  EXPECT_EQ(ch.Recv()->value, 1);
}

// --- Programs ---------------------------------------------------------------

TEST(ChanTest, PrimeSieve) {
  Threads threads;
  Chan<int> source = MakeChan<int>();
  const Chan<Unit> done = MakeChan<Unit>();
  threads.Start([source] {
    for (int i = 2; i < 200; ++i) source.Send(i);
    source.Close();
  });
  std::vector<int> primes;
  Chan<int> in = source;
  while (std::optional<int> prime = in.Recv()) {
    primes.push_back(*prime);
    Chan<int> out = MakeChan<int>();
    threads.Start([in, out, p = *prime] {
      for (int i : in) {
        if (i % p != 0) out.Send(i);
      }
      out.Close();
    });
    in = out;
  }
  ASSERT_EQ(primes.size(), 46u);
  EXPECT_EQ(primes[45], 199);
}

}  // namespace
}  // namespace mpg
