#include "tools/trace/view.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/trace/format.h"
#include "tools/trace/hand_made_trace.h"
#include "tools/trace/reader.h"
#include "tools/trace/timeline.h"
#include "tools/trace/trace_builder.h"

namespace mpg {
namespace tracetool {
namespace {

using testing::HasSubstr;

std::unique_ptr<Timeline> Loaded(const std::string& bytes) {
  auto timeline = std::make_unique<Timeline>();
  std::istringstream in(bytes);
  TraceReader reader(&in);
  const absl::Status status =
      timeline->Load(&reader, [](uint64_t) { return true; });
  EXPECT_TRUE(status.ok()) << status;
  return timeline;
}

WindowQuery Query(int64_t from, int64_t to, int64_t width) {
  WindowQuery query;
  query.from = from;
  query.to = to;
  query.width = width;
  query.last_p = 1000;
  return query;
}

// Stretches, in the order of their starts: 0 goroutine 1 on P 0 from 1 to 12000;
// 1 goroutine 2 on P 1 from 3000 to 7000; 2 again from 9500 to 10500; 3 goroutine 1 in a
// system call to 15000; 4 goroutine 1 to 16000.
class ViewTest : public testing::Test {
 protected:
  const std::unique_ptr<Timeline> timeline_ = Loaded(HandMade());
  const View view_{*timeline_};
};

TEST_F(ViewTest, AWindowHasTheCellsOfEachLaneAndTheirNames) {
  const std::string json = view_.Window(Query(0, 20000, 16001));
  EXPECT_THAT(json, HasSubstr("{\"from\":0,\"to\":16001,\"column\":2,"
                              "\"first\":0,\"lanes\":[[["));
  EXPECT_THAT(json, HasSubstr("[12000,3000,3,1,"));
  EXPECT_THAT(json, HasSubstr("[[3000,4000,1,2,"));
  EXPECT_THAT(json, HasSubstr(",[9500,1000,2,2,"));
  EXPECT_THAT(json, HasSubstr(":\"main.worker\""));
  EXPECT_THAT(json, HasSubstr("\"stopped\":[],\"collections\":[]"));
}

TEST_F(ViewTest, StretchesNarrowerThanAColumnAreOneCell) {
  // Two on P 1, together 5000, the longer one is stretch 1.
  const std::string json = view_.Window(Query(0, 16000, 1));
  EXPECT_THAT(json, HasSubstr("[[3000,7500,1,2,"));
  EXPECT_THAT(json, HasSubstr(",0,2,5000]]]"));
}

TEST_F(ViewTest, AWindowIsOfTheLanesThatAreSeen) {
  WindowQuery query = Query(0, 16000, 100);
  query.first_p = 1;
  query.last_p = 1;
  const std::string json = view_.Window(query);
  EXPECT_THAT(json, HasSubstr("\"first\":1,\"lanes\":[[[3000,"));
  EXPECT_THAT(json, testing::Not(HasSubstr("[12000,3000,3")));
}

TEST_F(ViewTest, TakesQueriesOutOfRange) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  WindowQuery query = Query(-kMost, kMost, kMost);
  query.first_p = -kMost;
  query.last_p = kMost;
  EXPECT_THAT(view_.Window(query), HasSubstr("\"from\":0,\"to\":16001,"));
  EXPECT_THAT(view_.Window(Query(kMost, -kMost, -kMost)),
              HasSubstr("\"from\":16000,\"to\":16001,"));
  query = Query(0, 10, 10);
  query.first_p = kMost;
  EXPECT_THAT(view_.Window(query), HasSubstr("\"lanes\":[],"));
  EXPECT_EQ(view_.Stretch(-1), "");
  EXPECT_EQ(view_.Stretch(kMost), "");
  EXPECT_EQ(view_.Stretch(5), "");
  EXPECT_EQ(view_.At(-1, 0), kNone);
  EXPECT_EQ(view_.At(2, 0), kNone);
  EXPECT_EQ(view_.At(kMost, kMost), kNone);
}

TEST_F(ViewTest, AStretchSaysWhyItsGoroutineWaitedAndWhoWokeIt) {
  const std::string json = view_.Stretch(2);
  EXPECT_THAT(json, HasSubstr("\"p\":1,\"start\":9500,\"end\":10500,"
                              "\"syscall\":false,\"previous\":1,\"next\":null,"
                              "\"left\":1,\"right\":null,"));
  EXPECT_THAT(json, HasSubstr("\"goroutine\":{\"id\":2,\"function\":"
                              "\"main.worker\",\"at\":1},\"created\":1000,"
                              "\"ended\":10500,\"execution\":5000,"
                              "\"sched_wait\":2500,\"blocked\":2000,"
                              "\"in_syscalls\":0,\"creator\":{\"id\":1,"));
  EXPECT_THAT(json, HasSubstr("\"ready\":9000,\"before\":{\"end\":7000,"
                              "\"end_of_it\":{\"how\":\"blocked\",\"reason\":"
                              "\"chan receive\",\"stack\":[[\"main.worker\","
                              "\":20\"]]}}"));
  EXPECT_THAT(json, HasSubstr("\"waker\":{\"id\":1,\"function\":\"main.main\","
                              "\"at\":0},\"waker_p\":0,\"waker_at\":0,"
                              "\"wake_stack\":[[\"main.main\",\":10\"]]"));
  EXPECT_THAT(json, HasSubstr("\"end_of_it\":{\"how\":\"exited\","));
}

TEST_F(ViewTest, FindsStretchesByTime) {
  EXPECT_EQ(view_.At(0, 5000), 0u);
  EXPECT_EQ(view_.At(0, 13000), 3u);
  EXPECT_EQ(view_.At(1, 8000), 2u);
  EXPECT_EQ(view_.At(1, 10500), 2u);
}

TEST_F(ViewTest, SearchGoesRound) {
  const auto found = [](const char* stretch, int goroutines) {
    return absl::StrCat("{\"stretch\":", stretch,
                        ",\"goroutines\":", goroutines, "}");
  };
  EXPECT_EQ(view_.Search("2", -1, true), found("1", 1));
  EXPECT_EQ(view_.Search("G2", 1, true), found("2", 1));
  EXPECT_EQ(view_.Search(" g2 ", 2, true), found("1", 1));
  EXPECT_EQ(view_.Search("2", -1, false), found("2", 1));
  EXPECT_EQ(view_.Search("2", 1, false), found("2", 1));
  EXPECT_EQ(view_.Search("WORK", 0, true), found("1", 1));
  EXPECT_EQ(view_.Search("main.", 4, true), found("0", 2));
  EXPECT_EQ(view_.Search("main.", 0, false), found("4", 2));
  EXPECT_EQ(view_.Search("nothing", -1, true), found("null", 0));
  EXPECT_EQ(view_.Search("77", -1, true), found("null", 0));
}

TEST_F(ViewTest, TheOverviewCountsAndNames) {
  const std::string json = view_.Overview();
  EXPECT_THAT(json, HasSubstr("{\"version\":23,\"duration\":16000,"));
  EXPECT_THAT(json, HasSubstr("\"procs\":2,\"goroutines\":2,\"stretches\":5,"
                              "\"stops\":0,\"collections\":0,"));
  EXPECT_THAT(json, HasSubstr("\"main.main\",1,12999],["));
  EXPECT_THAT(json, HasSubstr("\"main.worker\",1,5000]]"));
}

TEST(BoundedViewTest, AnAnswerIsNoLongerThanItsColumnsWhateverTheZoom) {
  // One goroutine gives way, and goes on, five thousand times.
  std::string events =
      Ev(kEvProcStatus, {0, 0, 1}) + Ev(kEvGoStatus, {0, 1, 1, 2});
  constexpr uint64_t kStretches = 5000;
  for (uint64_t i = 1; i <= kStretches; ++i) {
    events += Ev(kEvGoStop, {100 + i % 900, 2, 1});
    events += Ev(kEvGoStart, {20, 1, i});
  }
  TraceBuilder builder;
  builder.Clock(1).Strings(1, {"main.main", "preempted"}).Stacks(1, {1});
  const auto timeline = Loaded(builder.Batch(1, 1, 1000, events).bytes());
  ASSERT_GT(timeline->slices().size(), kStretches);
  const View view(*timeline);
  for (const int64_t width : {1, 30, 500}) {
    for (int64_t part = 1; part < 1000000; part *= 7) {
      const int64_t length = timeline->duration() / part;
      const std::string json =
          view.Window(Query(length / 3, length / 3 + length, width));
      // Two cells a column, and a sample of the counts.
      const auto brackets = std::count(json.begin(), json.end(), '[');
      EXPECT_LE(brackets, 3 * (width + 1) + 6) << width << " " << part;
      EXPECT_LT(json.size(), 200u * static_cast<size_t>(width) + 500);
    }
  }
}

TEST(EmptyViewTest, HasNothingAndSaysSo) {
  const Timeline timeline;
  const View view(timeline);
  EXPECT_THAT(view.Overview(), HasSubstr("\"procs\":0,"));
  EXPECT_THAT(view.Window(Query(0, 100, 100)),
              HasSubstr("\"lanes\":[],\"stopped\":[],\"collections\":[],"
                        "\"counts\":[],\"names\":{}}"));
  EXPECT_EQ(view.Search("x", -1, true), "{\"stretch\":null,\"goroutines\":0}");
  EXPECT_EQ(view.Stretch(0), "");
}

}  // namespace
}  // namespace tracetool
}  // namespace mpg
