#include "context/single_flight.h"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/park.h"
#include "channel/chan.h"
#include "channel/unit.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

using Flight = SingleFlight<std::string, int>;

void WaitUntilParked(int64_t n) {
  while (internal::ParkedThreads() != n) std::this_thread::yield();
}

TEST(SingleFlight, DoReturnsWhatTheFunctionReturned) {
  Flight flight;
  const auto result = flight.Do("k", [] { return 7; });
  EXPECT_EQ(*result.value, 7);
  EXPECT_FALSE(result.shared);
  EXPECT_EQ(
      flight.Do("k", [] { return absl::NotFoundError("no"); }).value.status(),
      absl::NotFoundError("no"));
}

TEST(SingleFlight, OneCallServesAllWhoWait) {
  Flight flight;
  const auto gate = MakeChan<Unit>();
  std::atomic<int> calls{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto result = flight.Do("k", [&] {
        gate.Recv();
        return ++calls;
      });
      EXPECT_EQ(*result.value, 1);
      EXPECT_TRUE(result.shared);
    });
  }
  WaitUntilParked(4);
  const auto late = flight.DoChan("k", [&] { return ++calls; });
  EXPECT_EQ(*flight.Do("other", [] { return 5; }).value, 5);
  gate.Close();
  const auto result = late.Recv();
  EXPECT_EQ(*result->value, 1);
  EXPECT_TRUE(result->shared);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(calls, 1);
}

TEST(SingleFlight, DoChanRunsTheFunctionItself) {
  Flight flight;
  const auto result = flight.DoChan("k", [] { return 3; }).Recv();
  EXPECT_EQ(*result->value, 3);
  EXPECT_FALSE(result->shared);
}

TEST(SingleFlight, ForgottenCallsAreNotShared) {
  Flight flight;
  const auto gate = MakeChan<Unit>();
  std::thread first([&] {
    EXPECT_EQ(*flight
                   .Do("k",
                       [&] {
                         gate.Recv();
                         return 1;
                       })
                   .value,
              1);
  });
  WaitUntilParked(1);
  flight.Forget("k");
  EXPECT_EQ(*flight.Do("k", [] { return 2; }).value, 2);
  gate.Close();
  first.join();
}

TEST(SingleFlight, AnExceptionReachesAllWhoWait) {
  Flight flight;
  const auto gate = MakeChan<Unit>();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      EXPECT_THROW(flight.Do("k",
                             [&]() -> absl::StatusOr<int> {
                               gate.Recv();
                               throw std::runtime_error("x");
                             }),
                   std::runtime_error);
    });
  }
  WaitUntilParked(3);
  gate.Close();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(*flight.Do("k", [] { return 4; }).value, 4);
}

}  // namespace
}  // namespace mpg
