// What does not allocate: all but MakeChan, the making of a SelectCase, and a
// Select of more than 16 cases.
#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/test_util.h"
#include "gtest/gtest.h"

namespace {
thread_local int allocations = 0;  // of this thread
}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
// A sanitizer's would not come to the above.
void* operator new[](size_t size) { return operator new(size); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }

namespace mpg {
namespace {

using channel_test::Threads;
using channel_test::WaitUntilParked;

template <class F>
int AllocationsOf(F f) {
  const int before = allocations;
  f();
  return allocations - before;
}

// As many channels as asked for, of which only the last is ever used.
std::vector<Chan<int>> Channels(size_t n) {
  std::vector<Chan<int>> channels;
  while (channels.size() < n) channels.push_back(MakeChan<int>(1));
  return channels;
}

std::vector<SelectCase> RecvCases(const std::vector<Chan<int>>& channels) {
  std::vector<SelectCase> cases;
  for (const Chan<int>& c : channels) cases.push_back(OnRecv(c));
  return cases;
}

TEST(ChanAllocTest, TheCounterCounts) {
  // volatile, or the compiler may leave both out.
  EXPECT_EQ(AllocationsOf([] {
              int* volatile p = new int;
              delete p;
            }),
            1);
  EXPECT_EQ(AllocationsOf([] { MakeChan<int>(0); }), 0)
      << "it is aligned, so another operator new makes it";
}

TEST(ChanAllocTest, SendAndRecvDoNotAllocate) {
  const auto c = MakeChan<int>(2);
  const auto text = MakeChan<std::string>(2);
  std::string value(100, 'x');
  EXPECT_EQ(AllocationsOf([&] {
              c.Send(1);
              c.Recv();
              int v = 2;
              c.TrySend(v);
              c.TryRecv();
              c.TryRecv();
              text.Send(std::move(value));
              value = *text.Recv();
              const Chan<int> copy = c;
            }),
            0);
}

TEST(ChanAllocTest, ToBlockDoesNotAllocate) {
  const auto there = MakeChan<int>(), back = MakeChan<int>();
  Threads threads;
  int in_thread = -1;
  threads.Start([&] {
    in_thread = AllocationsOf([&] {
      for (int i = 0; i < 100; ++i) back.Send(*there.Recv());
    });
  });
  WaitUntilParked(1);
  EXPECT_EQ(AllocationsOf([&] {
              for (int i = 0; i < 100; ++i) {
                there.Send(i);
                back.Recv();
              }
            }),
            0);
  threads.Join();
  EXPECT_EQ(in_thread, 0);
}

TEST(ChanAllocTest, SelectOfArgumentsDoesNotAllocate) {
  const auto c = Channels(16);
  const auto select = [&] {
    return Select(OnRecv(c[0]), OnRecv(c[1]), OnRecv(c[2]), OnRecv(c[3]),
                  OnRecv(c[4]), OnRecv(c[5]), OnRecv(c[6]), OnRecv(c[7]),
                  OnRecv(c[8]), OnRecv(c[9]), OnRecv(c[10]), OnRecv(c[11]),
                  OnRecv(c[12]), OnRecv(c[13]), OnRecv(c[14]), OnRecv(c[15]));
  };
  c[15].Send(1);
  EXPECT_EQ(AllocationsOf([&] { EXPECT_EQ(select(), 15); }), 0);
  Threads threads;
  threads.Start([&] {
    WaitUntilParked(1);
    c[15].Send(1);
  });
  EXPECT_EQ(AllocationsOf([&] { EXPECT_EQ(select(), 15); }), 0);
}

TEST(ChanAllocTest, SelectOfASpanAllocatesFromSeventeenCasesOn) {
  for (const size_t n : {1, 2, 4, 5, 16, 17, 40}) {
    const auto c = Channels(n);
    auto cases = RecvCases(c);
    const auto select = [&] {
      EXPECT_EQ(Select(absl::MakeSpan(cases)), static_cast<int>(n - 1));
    };
    c.back().Send(1);
    EXPECT_EQ(AllocationsOf(select) != 0, n > 16) << n;
    Threads threads;
    threads.Start([&] {
      WaitUntilParked(1);
      c.back().Send(1);
    });
    EXPECT_EQ(AllocationsOf(select) != 0, n > 16) << n;
  }
}

}  // namespace
}  // namespace mpg
