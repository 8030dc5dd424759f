// Initialisers run once, in order, on the first Run's thread, before main.
#include "runtime/init.h"

#include <sys/types.h>
#include <unistd.h>

#include <string>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

std::string log_text;

const bool registered =
    (OnInit([] { log_text += "a"; }), OnInit([] {
       // May block and start goroutines, and stays on the
       // thread that called Run.
       const pid_t home = gettid();
       auto c = MakeChan<int>();
       Go([c] { c.Send(1); });
       c.Recv();
       for (int i = 0; i < 100; ++i) Gosched();
       log_text += gettid() == home && home == getpid() ? "b" : "moved";
       log_text += Goid() == 1 ? "" : "not main";
     }),
     OnInit([] { OnInit([] { log_text += "d"; }); }),
     OnInit([] { log_text += "c"; }), true);

TEST(Init, RunsInOrderBeforeMainAndOnce) {
  ASSERT_TRUE(registered);
  EXPECT_EQ(log_text, "");
  internal::RunWith(2, [] { EXPECT_EQ(log_text, "abcd"); });
  internal::RunWith(2, [] { EXPECT_EQ(log_text, "abcd"); });
}

TEST(Init, RegisteredLaterRunsWithTheNextRun) {
  OnInit([] { log_text = "late"; });
  internal::RunWith(1, [] { EXPECT_EQ(log_text, "late"); });
}

}  // namespace
}  // namespace mpg
