// C++ exception state and errno belong to the goroutine, wherever it runs.
#include <errno.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::RunWith;
using internal::Scaled;

// Not inlined: a compiler may keep errno's address across a park (the rule in
// goroutine.h).
__attribute__((noinline)) void SetErrno(int value) { errno = value; }
__attribute__((noinline)) int GetErrno() { return errno; }

// Parks in one of the ways there are.
void Park(int how, Chan<int> c) {
  if (how % 3 == 0) {
    Gosched();
  } else if (how % 3 == 1) {
    c.Send(1);
  } else {
    c.Recv();
  }
}

// Throws, parks while handling it, throws again in there, and so on; returns
// how often something was wrong.
int ThrowAndPark(int id, int depth, Chan<int> c) {
  int bad = 0;
  const std::string text = std::to_string(id) + "/" + std::to_string(depth);
  try {
    SetErrno(id);
    Park(depth, c);
    bad += GetErrno() != id;
    throw std::runtime_error(text);
  } catch (const std::runtime_error& e) {
    SetErrno(id + 1);
    Park(id, c);
    bad += GetErrno() != id + 1;
    if (depth > 0) bad += ThrowAndPark(id, depth - 1, c);
    Park(id + 1, c);
    bad += text != e.what();
    try {
      throw;
    } catch (const std::exception& again) {
      bad += text != again.what();
    }
  }
  bad += std::uncaught_exceptions() != 0;
  return bad;
}

TEST(ExceptionsAndErrno, FollowTheGoroutineAcrossParksAndThreads) {
  for (int procs : {1, 2, 4}) {
    RunWith(procs, [] {
      const int n = Scaled(600);
      auto c = MakeChan<int>();
      auto done = MakeChan<int>(n);
      for (int i = 0; i < n; ++i) {
        Go([=] { done.Send(ThrowAndPark(i, 6, c)); });
      }
      // Whoever sends or receives finds a partner.
      for (int finished = 0; finished < n;) {
        if (auto bad = done.TryRecv()) {
          EXPECT_EQ(*bad, 0);
          ++finished;
          continue;
        }
        int one = 1;
        c.TrySend(one);
        c.TryRecv();
        Gosched();
      }
    });
  }
}

// A destructor that parks while an exception flies past it.
struct ParksInFlight {
  Chan<int> out;
  ~ParksInFlight() {
    const int before = std::uncaught_exceptions();
    for (int i = 0; i < 20; ++i) Gosched();
    out.Send(before * 10 + std::uncaught_exceptions());
  }
};

TEST(ExceptionsAndErrno, CountOfExceptionsInFlightIsTheGoroutinesOwn) {
  RunWith(2, [] {
    auto out = MakeChan<int>(1000);
    for (int i = 0; i < 100; ++i) {
      Go([out] {
        try {
          ParksInFlight parks{out};
          throw 1;
        } catch (int) {
        }
      });
      Go([out] { ParksInFlight parks{out}; });
    }
    int in_flight = 0, calm = 0;
    for (int i = 0; i < 200; ++i) {
      const int seen = *out.Recv();
      in_flight += seen == 11;
      calm += seen == 0;
    }
    EXPECT_EQ(in_flight, 100);
    EXPECT_EQ(calm, 100);
  });
}

TEST(ExceptionsAndErrno, ErrnoOfANewGoroutineIsZero) {
  RunWith(1, [] {
    auto c = MakeChan<int>();
    for (int i = 0; i < 10; ++i) {
      SetErrno(EBADF);
      Go([c] {
        const int seen = GetErrno();
        SetErrno(ENOENT);
        c.Send(seen);
      });
      EXPECT_EQ(*c.Recv(), 0);
      EXPECT_EQ(GetErrno(), EBADF);
    }
  });
}

}  // namespace
}  // namespace mpg
