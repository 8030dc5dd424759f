#include "runtime/labels.h"

#include <set>
#include <stdexcept>
#include <string>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"

namespace mpg {
namespace pprof {
namespace {

using internal::Procs;
using internal::RunWith;

std::string Now() { return GoroutineLabels().ToString(); }

TEST(LabelsTest, ASetIsSortedAndTheLastOfAKeyWins) {
  EXPECT_TRUE(Labels({}).Empty());
  EXPECT_EQ(Labels({}).ToString(), "");
  EXPECT_EQ(Labels({{"b", "1"}, {"a", "2"}, {"b", "3"}}).ToString(),
            R"({"a":"2", "b":"3"})");
  EXPECT_EQ(Labels({{"a", "\"\n"}}).ToString(), R"({"a":"\"\n"})");
}

TEST(LabelsTest, AddedLabelsWin) {
  const LabelSet a = Labels({{"x", "1"}, {"y", "1"}});
  const LabelSet b = Labels({{"y", "2"}, {"z", "2"}});
  EXPECT_EQ(a.With(b).ToString(), R"({"x":"1", "y":"2", "z":"2"})");
  EXPECT_EQ(a.With({}).ToString(), a.ToString());
  EXPECT_EQ(LabelSet().With(b).ToString(), b.ToString());
}

TEST(LabelsTest, DoAddsAndTakesBack) {
  RunWith(1, [] {
    EXPECT_EQ(Now(), "");
    const int result = Do(Labels({{"a", "1"}}), [] {
      EXPECT_EQ(Now(), R"({"a":"1"})");
      Do(Labels({{"b", "2"}}),
         [] { EXPECT_EQ(Now(), R"({"a":"1", "b":"2"})"); });
      EXPECT_EQ(Now(), R"({"a":"1"})");
      return 5;
    });
    EXPECT_EQ(result, 5);
    EXPECT_EQ(Now(), "");
    EXPECT_THROW(
        Do(Labels({{"a", "1"}}), [] { throw std::runtime_error("x"); }),
        std::runtime_error);
    EXPECT_EQ(Now(), "");
  });
}

TEST(LabelsTest, ChildrenInheritWhatTheirParentHasThen) {
  RunWith(2, [] {
    auto c = MakeChan<std::string>();
    SetGoroutineLabels(Labels({{"a", "1"}}));
    Go([c] {
      c.Send(Now());
      SetGoroutineLabels(Labels({{"a", "child"}}));
      Go([c] { c.Send(Now()); });
    });
    GoOptions named;
    named.name = "named";
    Go(named, [c] { c.Send(Now()); });
    SetGoroutineLabels({});
    Go([c] { c.Send(Now()); });
    std::multiset<std::string> got;
    for (int i = 0; i < 4; ++i) got.insert(*c.Recv());
    EXPECT_EQ(got,
              (std::multiset<std::string>{"", R"({"a":"1"})", R"({"a":"1"})",
                                          R"({"a":"child"})"}));
    EXPECT_EQ(Now(), "");
  });
}

TEST(LabelsTest, ADescriptorUsedAgainHasNoLabelsLeft) {
  RunWith(1, [] {
    for (int i = 0; i < 1000; ++i) {
      auto c = MakeChan<std::string>();
      Go([c, i] {
        if (i % 2 == 0) SetGoroutineLabels(Labels({{"i", "x"}}));
        c.Send(Now());
      });
      EXPECT_EQ(*c.Recv(), i % 2 == 0 ? R"({"i":"x"})" : "");
    }
  });
}

TEST(LabelsTest, AThreadHasNone) {
  SetGoroutineLabels(Labels({{"a", "1"}}));
  EXPECT_EQ(Now(), "");
  EXPECT_EQ(Do(Labels({{"a", "1"}}), [] { return Now(); }), "");
}

}  // namespace
}  // namespace pprof
}  // namespace mpg
