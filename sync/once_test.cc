#include "sync/once.h"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sync/test_util.h"

namespace mpg {
namespace {

using sync_test::Threads;
using sync_test::WaitUntilParked;

TEST(Once, RunsOnceAndOthersWaitForIt) {
  Once once;
  int runs = 0;
  std::atomic<bool> go{false};
  Threads threads;
  threads.Start([&] {
    once.Do([&] {
      while (!go) std::this_thread::yield();
      ++runs;
    });
  });
  for (int i = 0; i < 9; ++i) {
    threads.Start([&] {
      once.Do([&] {
        while (!go) std::this_thread::yield();
        ++runs;
      });
      EXPECT_EQ(runs, 1);
    });
  }
  WaitUntilParked(9);
  go = true;
  threads.Join();
  EXPECT_EQ(runs, 1);
}

TEST(Once, ACallThatThrowsCounts) {
  Once once;
  EXPECT_THROW(once.Do([] { throw std::runtime_error("failed"); }),
               std::runtime_error);
  once.Do([] { FAIL() << "called again"; });
}

TEST(OnceFunc, CallsOnceThroughAllCopies) {
  int calls = 0;
  auto f = OnceFunc([&] { ++calls; });
  auto g = f;
  EXPECT_EQ(calls, 0);
  f();
  g();
  f();
  EXPECT_EQ(calls, 1);
}

TEST(OnceFunc, ThrowsTheSameEachTime) {
  int calls = 0;
  auto f = OnceFunc([&] {
    ++calls;
    throw std::runtime_error("failed");
  });
  for (int i = 0; i < 3; ++i) {
    try {
      f();
      FAIL() << "did not throw";
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "failed");
    }
  }
  EXPECT_EQ(calls, 1);
}

TEST(OnceFunc, LetsGoOfWhatTheFunctionHolds) {
  auto token = std::make_shared<int>(1);
  auto f = OnceFunc([token] { EXPECT_EQ(*token, 1); });
  EXPECT_EQ(token.use_count(), 2);
  f();
  EXPECT_EQ(token.use_count(), 1);
}

TEST(OnceFunc, TakesMoveOnlyFunctions) {
  int value = 0;
  auto f = OnceFunc([p = std::make_unique<int>(42), &value] { value = *p; });
  f();
  EXPECT_EQ(value, 42);
}

TEST(OnceValue, ReturnsTheSameToAll) {
  std::atomic<int> calls{0};
  const auto f = OnceValue([&] {
    ++calls;
    return std::string("value");
  });
  Threads threads;
  for (int i = 0; i < 8; ++i) {
    threads.Start([&f] { EXPECT_EQ(f(), "value"); });
  }
  threads.Join();
  EXPECT_EQ(calls, 1);
  static_assert(std::is_same_v<decltype(f()), std::string>);
}

TEST(OnceValue, ThrowsTheSameEachTime) {
  auto f = OnceValue([]() -> int { throw std::runtime_error("failed"); });
  EXPECT_THROW(f(), std::runtime_error);
  EXPECT_THROW(f(), std::runtime_error);
}

}  // namespace
}  // namespace mpg
