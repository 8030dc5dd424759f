// What the reader makes of traces made by hand, by Go, and of damaged ones.
#include "tools/trace/reader.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "tools/trace/event_text.h"
#include "tools/trace/timeline.h"
#include "tools/trace/trace_builder.h"

namespace mpg {
namespace tracetool {
namespace {

struct Read {
  std::vector<std::string> events;
  absl::Status status;
};

Read ReadAll(const std::string& bytes) {
  std::istringstream in(bytes);
  TraceReader reader(&in);
  Read result;
  Event event;
  while (true) {
    const absl::StatusOr<bool> more = reader.Next(&event);
    if (!more.ok()) result.status = more.status();
    if (!more.ok() || !*more) return result;
    result.events.push_back(EventText(event));
  }
}

std::string FileBytes(const std::string& name) {
  std::ifstream in(absl::StrCat("tools/trace/testdata/", name),
                   std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// P 0 on thread 1 and P 1 on thread 2, and goroutine 1 runs on P 0.
std::string TwoThreads(const std::string& first, const std::string& second,
                       uint64_t second_time) {
  return TraceBuilder()
      .Clock(1)
      .Strings(1, {"why"})
      .Batch(
          1, 1, 1000,
          Ev(kEvProcStatus, {1, 0, 1}) + Ev(kEvGoStatus, {1, 1, 1, 2}) + first)
      .Batch(1, 2, second_time, Ev(kEvProcStatus, {1, 1, 1}) + second)
      .bytes();
}

TEST(ReaderTest, PrintsEventsAsGoDoes) {
  const Read read = ReadAll(TwoThreads(Ev(kEvGoBlock, {5, 1, 0}), "", 2000));
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.events,
            (std::vector<std::string>{
                "M=1 P=-1 G=-1 StateTransition Time=1001 Resource=Proc(0) "
                "Reason=\"\" ProcID=0 Undetermined->Running",
                "M=1 P=0 G=-1 StateTransition Time=1002 Resource=Goroutine(1) "
                "Reason=\"\" GoID=1 Undetermined->Running",
                "M=1 P=0 G=1 StateTransition Time=1007 Resource=Goroutine(1) "
                "Reason=\"why\" GoID=1 Running->Waiting",
                "M=2 P=-1 G=-1 StateTransition Time=2001 Resource=Proc(1) "
                "Reason=\"\" ProcID=1 Undetermined->Running",
                "M=-1 P=-1 G=-1 Sync Time=2002"}));
}

// Thread 2's clock is behind: by the times its goroutine would start before it was
// created. The sequence number holds it back.
TEST(ReaderTest, SequenceNumbersOverrideTimes) {
  const Read read = ReadAll(
      TwoThreads(Ev(kEvGoCreate, {100, 7, 0, 0}),
                 Ev(kEvGoStart, {1, 7, 1}) + Ev(kEvGoDestroy, {1}), 10));
  ASSERT_TRUE(read.status.ok()) << read.status;
  ASSERT_EQ(read.events.size(), 7u);
  EXPECT_TRUE(absl::StrContains(read.events[3], "GoID=7 NotExist->Runnable"));
  EXPECT_TRUE(absl::StrContains(read.events[4], "GoID=7 Runnable->Running"));
  EXPECT_TRUE(absl::StrContains(read.events[5], "GoID=7 Running->NotExist"));
}

// A syscall's end that says it was blocked waits for the theft of the P.
TEST(ReaderTest, AStolenProcIsSeenBeforeTheSyscallEnds) {
  const Read read = ReadAll(TwoThreads(
      Ev(kEvGoSyscallBegin, {1, 1, 0}) + Ev(kEvGoSyscallEndBlocked, {1}),
      Ev(kEvProcSteal, {5000, 0, 2, 1}), 3000));
  ASSERT_TRUE(read.status.ok()) << read.status;
  ASSERT_EQ(read.events.size(), 7u);
  EXPECT_TRUE(absl::StrContains(read.events[4], "ProcID=0 Running->Idle"));
  EXPECT_TRUE(absl::StrContains(read.events[5], "GoID=1 Syscall->Runnable"));
}

TEST(ReaderTest, SaysWhenNoThreadCanGoOn) {
  const Read read = ReadAll(TwoThreads("", Ev(kEvGoStart, {1, 99, 1}), 2000));
  EXPECT_EQ(read.status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::StrContains(read.status.message(), "GoStart of thread 2"))
      << read.status;
  EXPECT_EQ(read.events.size(), 3u);  // what came before stands
}

TEST(ReaderTest, SaysWhatIsWrong) {
  const struct {
    std::string bytes;
    const char* message;
  } kCases[] = {
      {"", "not a Go execution trace"},
      {"something else than that", "not a Go execution trace"},
      {TraceBuilder(21).bytes(), "format of Go 1.21"},
      {TraceBuilder(25).bytes(), "format of Go 1.25"},
      {TraceBuilder().bytes(), "only the header"},
      {TraceBuilder().bytes() + "x", "no batch begins at byte 16"},
      {TraceBuilder().bytes() + Ev(kEvEventBatch, {1, 1}), "truncated"},
      {TraceBuilder().bytes() + Ev(kEvEventBatch, {1, 1, 1, 70000}),
       "70000 bytes"},
      {TraceBuilder().bytes() + Ev(kEvEventBatch, {1, 1, 1, 50}) + "abc",
       "has 3 of 50 bytes"},
      {TraceBuilder().Batch(1, 1, 0, "").bytes(), "frequency"},
      {TraceBuilder().Clock(1).Clock(1).bytes(), "two frequencies"},
      {TraceBuilder().Clock(1).Clock(3).bytes(), "generation 3 follows 1"},
      {TraceBuilder().Clock(0).bytes(), "number 0"},
      {TraceBuilder().Clock(1).Batch(1, 1, 0, "\x7f").bytes(), "type 127"},
      {TraceBuilder().Clock(1).Batch(1, 1, 0, "\x0a").bytes(), "cut off"},
      {TraceBuilder().Clock(1).Batch(1, 1, 0, Ev(kEvGoStop, {1, 9, 0})).bytes(),
       "not there"},
      {TwoThreads(Ev(kEvGoStatus, {1, 1, 1, 4}), "", 1), "another state"},
      {TwoThreads(Ev(kEvStwEnd, {1}), "", 1), "not begun"},
      {TwoThreads(Ev(kEvProcStatus, {1, 5, 77}), "", 1), "no such status"},
  };
  for (const auto& c : kCases) {
    const Read read = ReadAll(c.bytes);
    EXPECT_FALSE(read.status.ok()) << c.message;
    EXPECT_TRUE(absl::StrContains(read.status.message(), c.message))
        << read.status << "\nwanted: " << c.message;
  }
}

class GoTraceTest : public testing::TestWithParam<const char*> {};

TEST_P(GoTraceTest, IsReadToItsEnd) {
  const Read read = ReadAll(FileBytes(GetParam()));
  EXPECT_TRUE(read.status.ok()) << read.status;
  EXPECT_GT(read.events.size(), 100u);
}

TEST_P(GoTraceTest, CutOffAnywhereIsAnErrorOrFewerEvents) {
  const std::string bytes = FileBytes(GetParam());
  const size_t all = ReadAll(bytes).events.size();
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 64) {
    const Read read = ReadAll(bytes.substr(0, size));
    EXPECT_LE(read.events.size(), all) << size;
    EXPECT_TRUE(!read.status.ok() || read.events.size() < all) << size;
  }
}

// Nothing is asserted of the events: it is ASan and UBSan that judge.
TEST_P(GoTraceTest, DamagedAnywhereCrashesNothing) {
  const std::string bytes = FileBytes(GetParam());
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(absl::StrCat("MPG_SEED=", seed));
  FastRand random(seed);
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = bytes;
    for (uint32_t i = 0; i <= random.Below(4); ++i) {
      damaged[random.Below(static_cast<uint32_t>(bytes.size()))] =
          static_cast<char>(random.Next());
    }
    std::istringstream in(damaged);
    TraceReader reader(&in);
    Timeline timeline;
    const absl::Status status =
        timeline.Load(&reader, [](uint64_t) { return true; });
    refused += status.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(Files, GoTraceTest,
                         testing::Values("everything_go122.trace",
                                         "everything_go123.trace",
                                         "pull_go123.trace"));

TEST(ReaderTest, KnowsTheVersion) {
  for (const int version : {22, 23}) {
    std::istringstream in(
        FileBytes(absl::StrCat("everything_go1", version, ".trace")));
    TraceReader reader(&in);
    Event event;
    ASSERT_TRUE(reader.Next(&event).ok());
    EXPECT_EQ(reader.version(), version);
  }
}

}  // namespace
}  // namespace tracetool
}  // namespace mpg
