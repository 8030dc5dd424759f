#include "base/wait_reason.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace mpg {
namespace {

// Go: waitReasonStrings (runtime2.go). Tools that read dumps rely on them.
TEST(WaitReason, WordsAreGos) {
  struct Case {
    WaitReason reason;
    const char* words;
  };
  for (const Case& c : {
           Case{WaitReason::kNone, ""},
           {WaitReason::kChanReceive, "chan receive"},
           {WaitReason::kChanSend, "chan send"},
           {WaitReason::kChanReceiveNil, "chan receive (nil chan)"},
           {WaitReason::kChanSendNil, "chan send (nil chan)"},
           {WaitReason::kSelect, "select"},
           {WaitReason::kSelectNoCases, "select (no cases)"},
           {WaitReason::kSemacquire, "semacquire"},
           {WaitReason::kSyncMutexLock, "sync.Mutex.Lock"},
           {WaitReason::kSyncRWMutexRLock, "sync.RWMutex.RLock"},
           {WaitReason::kSyncRWMutexLock, "sync.RWMutex.Lock"},
           {WaitReason::kSyncCondWait, "sync.Cond.Wait"},
           {WaitReason::kSyncWaitGroupWait, "sync.WaitGroup.Wait"},
           {WaitReason::kSleep, "sleep"},
           {WaitReason::kIOWait, "IO wait"},
           {WaitReason::kPreempted, "preempted"},
           {WaitReason::kStoppingTheWorld, "stopping the world"},
           {WaitReason::kSynctestRun, "synctest.Run"},
           {WaitReason::kSynctestWait, "synctest.Wait"},
           {WaitReason::kTraceReaderBlocked, "trace reader (blocked)"},
       }) {
    EXPECT_EQ(WaitReasonName(c.reason), c.words);
  }
}

TEST(WaitReason, EveryReasonHasWordsOfItsOwn) {
  std::set<std::string> seen;
  const int last = static_cast<int>(WaitReason::kTraceReaderBlocked);
  for (int i = 0; i <= last; ++i) {
    const std::string words(WaitReasonName(static_cast<WaitReason>(i)));
    EXPECT_NE(words, "unknown wait reason") << i;
    EXPECT_TRUE(seen.insert(words).second) << words;
  }
  EXPECT_EQ(WaitReasonName(static_cast<WaitReason>(last + 1)),
            "unknown wait reason");
}

}  // namespace
}  // namespace mpg
