// The timeline's numbers on a trace made by hand, and what is made of them.
#include "tools/trace/summary.h"

#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/trace/convert.h"
#include "tools/trace/hand_made_trace.h"
#include "tools/trace/json.h"

namespace mpg {
namespace tracetool {
namespace {

using testing::HasSubstr;

class HandMadeTest : public testing::Test {
 protected:
  HandMadeTest() {
    std::istringstream in(HandMade());
    TraceReader reader(&in);
    const absl::Status status = t_.Load(&reader, [](uint64_t) { return true; });
    EXPECT_TRUE(status.ok()) << status;
  }
  const Goroutine& G(int64_t id) {
    const uint32_t g = t_.Find(id);
    EXPECT_NE(g, kNone);
    return t_.goroutines()[g];
  }
  Timeline t_;
};

// Events at the same time are one nanosecond apart, hence the 1 here and there.
TEST_F(HandMadeTest, AddsUpWhatGoroutinesDid) {
  EXPECT_EQ(t_.duration(), 16000);
  EXPECT_EQ(G(1).totals.running, 12999);
  EXPECT_EQ(G(1).totals.syscall, 3000);
  EXPECT_EQ(G(1).totals.runnable, 0);
  EXPECT_EQ(G(2).totals.running, 5000);
  EXPECT_EQ(G(2).totals.runnable, 2500);
  EXPECT_EQ(G(2).totals.waiting, 2000);
  EXPECT_EQ(G(2).created, 1000);
  EXPECT_EQ(G(2).ended, 10500);
  EXPECT_EQ(t_.NameOf(G(1)), "main.main");
  EXPECT_EQ(t_.NameOf(G(2)), "main.worker");
}

TEST_F(HandMadeTest, KnowsWhyAGoroutineWaitedAndWhoWokeIt) {
  const Slice& last = t_.slices()[G(2).last];
  EXPECT_EQ(last.start, 9500);
  EXPECT_EQ(last.end, 10500);
  EXPECT_EQ(last.ready, 9000);
  EXPECT_EQ(last.p, 1u);
  EXPECT_EQ(last.waker, t_.Find(1));
  EXPECT_EQ(last.waker_p, 0u);
  ASSERT_NE(last.wake_stack, kNone);
  EXPECT_EQ(t_.FrameText(t_.Stack(last.wake_stack)[0]), "main.main :10");
  const Slice& before = t_.slices()[last.previous];
  EXPECT_EQ(before.end_kind, Slice::End::kBlocked);
  EXPECT_EQ(t_.String(before.reason), "chan receive");
  EXPECT_EQ(before.next, G(2).last);
}

TEST_F(HandMadeTest, CountsLatencies) {
  Histogram expected{};
  expected[9] = 1;   // 500
  expected[11] = 1;  // 2000
  EXPECT_EQ(t_.latencies(), expected);
}

TEST_F(HandMadeTest, SummaryNamesGroupsReasonsAndLatencies) {
  const std::string text = Summary(t_);
  EXPECT_THAT(text, HasSubstr("format of Go 1.23, 16.0us, "));
  EXPECT_THAT(text, HasSubstr("         1     13.0us        0ns        0ns     "
                              "3.00us  main.main\n"));
  EXPECT_THAT(text,
              HasSubstr("         1     5.00us     2.50us     2.00us        "
                        "0ns  main.worker\n"));
  EXPECT_THAT(text, HasSubstr("    2.00us          1  chan receive"));
  EXPECT_THAT(text, HasSubstr("< 512ns           1 #"));
}

TEST_F(HandMadeTest, ChromeJsonHasTracksSlicesArrowsAndCounters) {
  std::ostringstream out;
  WriteChromeJson(t_, &out);
  const std::string json = out.str();
  EXPECT_THAT(json, HasSubstr("\"name\":\"P 1\""));
  EXPECT_THAT(json,
              HasSubstr("{\"ph\":\"X\",\"pid\":1,\"tid\":2,\"ts\":9.500,"
                        "\"name\":\"G2 main.worker\",\"cat\":\"goroutine\","
                        "\"dur\":1.000,"));
  EXPECT_THAT(json, HasSubstr("{\"ph\":\"s\",\"pid\":1,\"tid\":1,\"ts\":9.000,"
                              "\"name\":\"unblock\""));
  EXPECT_THAT(json,
              HasSubstr("{\"ph\":\"f\",\"pid\":1,\"tid\":2,\"ts\":9.500,"));
  EXPECT_THAT(json, HasSubstr("\"stopped_for\":\"chan receive\""));
  EXPECT_THAT(json, HasSubstr("{\"ph\":\"C\""));
}

TEST(JsonTest, EscapesWhatItMust) {
  EXPECT_EQ(JsonString("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\u000a\\u0001\"");
  EXPECT_EQ(JsonString("\xc3\xa4"), "\"\xc3\xa4\"");
  EXPECT_EQ(JsonString("x\xff\xc3"), "\"x\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(JsonString("\xed\xa0\x80"),
            "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(DurationTextTest, HasThreeDigits) {
  EXPECT_EQ(DurationText(0), "0ns");
  EXPECT_EQ(DurationText(999), "999ns");
  EXPECT_EQ(DurationText(1000), "1.00us");
  EXPECT_EQ(DurationText(12345), "12.3us");
  EXPECT_EQ(DurationText(999999), "1.00ms");
  EXPECT_EQ(DurationText(61'000'000'000), "61.0s");
}

}  // namespace
}  // namespace tracetool
}  // namespace mpg
