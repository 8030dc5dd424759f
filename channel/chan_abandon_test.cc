// A Runtime that ends abandons the goroutines that are parked on channels which
// live on. Here a fake goroutine is parked and abandoned by hand.
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "base/lock.h"
#include "base/note.h"
#include "base/park.h"
#include "base/thread_state.h"
#include "base/wait_reason.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/test_util.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

using channel_test::Counted;

// Runs one function on a thread of its own, as a waiter whose Park the test can
// see and end.
class FakeGoroutine : public Waiter {
 public:
  template <class F>
  explicit FakeGoroutine(F f) : Waiter(&kOps) {
    thread_ = std::thread([this, f] {
      ThisThread()->current = this;
      try {
        f();
        finished_ = true;
      } catch (Gone) {
      }
      ThisThread()->current = nullptr;
    });
  }
  ~FakeGoroutine() { thread_.join(); }

  // Waits until the function is parked. Returns Go's word for where.
  WaitReason AwaitPark() {
    parked_.Sleep();
    return site_->reason;
  }
  // True: nobody will ready it. Its stack is then unwound, never to run again.
  bool Abandon() {
    const bool off = site_->abandon == nullptr || site_->abandon(this, arg_);
    if (off) EndPark(false);
    return off;
  }
  void AwaitReady() {
    ready_.Sleep();
    ready_.Clear();
    EndPark(true);
  }
  void AwaitEnd() {
    while (!finished_) std::this_thread::yield();
  }

 private:
  struct Gone {};

  void EndPark(bool go_on) {
    parked_.Clear();
    go_on_ = go_on;
    resume_.Wakeup();
  }

  static void DoPark(Waiter* w, const ParkSite* site, RuntimeLock* lock,
                     void* arg) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    auto* self = static_cast<FakeGoroutine*>(w);
    self->site_ = site;
    self->arg_ = arg;
    if (lock != nullptr) lock->Unlock();
    if (site->commit != nullptr && !site->commit(w, arg)) return;
    self->parked_.Wakeup();
    self->resume_.Sleep();
    self->resume_.Clear();
    if (!self->go_on_) throw Gone();
  }
  static void DoReady(Waiter* w) {
    static_cast<FakeGoroutine*>(w)->ready_.Wakeup();
  }
  static void DoPreempt(Waiter*) {}
  static bool DoCanSpin(Waiter*, int) { return false; }
  static void DoSpawn(Waiter*, absl::AnyInvocable<void()>, uintptr_t) {}
  static constexpr WaiterOps kOps = {DoPark,    DoReady,   DoReady,
                                     DoPreempt, DoCanSpin, DoSpawn};

  const ParkSite* site_ = nullptr;
  void* arg_ = nullptr;
  bool go_on_ = false;
  std::atomic<bool> finished_{false};
  Note parked_, ready_, resume_;
  std::thread thread_;
};

TEST(ChanAbandonTest, AbandonedReceiverGetsNothing) {
  const Chan<int> ch = MakeChan<int>();
  FakeGoroutine g([ch] { ch.Recv(); });
  EXPECT_EQ(g.AwaitPark(), WaitReason::kChanReceive);
  EXPECT_TRUE(g.Abandon());
  int v = 1;
  EXPECT_FALSE(ch.TrySend(v));
}

TEST(ChanAbandonTest, AbandonedSenderGivesNothing) {
  using V = Counted<30>;
  {
    const auto ch = MakeChan<V>(1);
    ch.Send(V(1));
    FakeGoroutine g([ch] { ch.Send(V(2)); });
    EXPECT_EQ(g.AwaitPark(), WaitReason::kChanSend);
    EXPECT_TRUE(g.Abandon());
    EXPECT_EQ(ch.Recv()->value, 1);
    EXPECT_FALSE(ch.TryRecv().has_value());
  }
  EXPECT_EQ(V::alive, 0);
}

TEST(ChanAbandonTest, OthersInTheQueueKeepTheirPlaces) {
  const Chan<int> ch = MakeChan<int>();
  std::optional<int> first, third;
  FakeGoroutine a([&] { first = ch.Recv(); });
  a.AwaitPark();
  FakeGoroutine b([&] { ch.Recv(); });
  b.AwaitPark();
  FakeGoroutine c([&] { third = ch.Recv(); });
  c.AwaitPark();
  EXPECT_TRUE(b.Abandon());
  ch.Send(1);
  ch.Send(3);
  a.AwaitReady();
  c.AwaitReady();
  a.AwaitEnd();
  c.AwaitEnd();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(third, 3);
}

TEST(ChanAbandonTest, WhoWasTakenOffIsReportedAndReadied) {
  const Chan<int> ch = MakeChan<int>();
  std::optional<int> got;
  FakeGoroutine g([&] { got = ch.Recv(); });
  g.AwaitPark();
  ch.Send(1);
  EXPECT_FALSE(g.Abandon());
  g.AwaitReady();
  g.AwaitEnd();
  EXPECT_EQ(got, 1);
}

TEST(ChanAbandonTest, WhoWasTakenOffByCloseIsReportedAndReadied) {
  const Chan<int> ch = MakeChan<int>();
  FakeGoroutine a([&] { ch.Recv(); });
  a.AwaitPark();
  FakeGoroutine b([&] { ch.Recv(); });
  b.AwaitPark();
  ch.Close();
  EXPECT_FALSE(b.Abandon());
  EXPECT_FALSE(a.Abandon());
  a.AwaitReady();
  b.AwaitReady();
}

TEST(ChanAbandonTest, AbandonedSelectIsOffAllItsChannels) {
  const Chan<int> a = MakeChan<int>(), b = MakeChan<int>();
  FakeGoroutine g([=] { Select(OnRecv(a), OnSend(b, 1), OnRecv(a)); });
  EXPECT_EQ(g.AwaitPark(), WaitReason::kSelect);
  EXPECT_TRUE(g.Abandon());
  int v = 1;
  EXPECT_FALSE(a.TrySend(v));
  EXPECT_FALSE(b.TryRecv().has_value());
}

TEST(ChanAbandonTest, SelectThatWasChosenIsReportedAndReadied) {
  const Chan<int> a = MakeChan<int>(), b = MakeChan<int>();
  std::atomic<int> chosen{-1};
  FakeGoroutine g([&] { chosen = Select(OnRecv(a), OnRecv(b)); });
  g.AwaitPark();
  b.Send(1);
  EXPECT_FALSE(g.Abandon());
  int v = 1;
  EXPECT_FALSE(a.TrySend(v));  // off the other channel already
  g.AwaitReady();
  g.AwaitEnd();
  EXPECT_EQ(chosen, 1);
}

TEST(ChanAbandonTest, SelectOfNilChannelsCanBeAbandoned) {
  FakeGoroutine g([] { Select(OnRecv(Chan<int>()), OnSend(Chan<int>(), 1)); });
  EXPECT_EQ(g.AwaitPark(), WaitReason::kSelect);
  EXPECT_TRUE(g.Abandon());
}

TEST(ChanAbandonTest, ChannelOutlivesItsHandlesWhileSomebodyIsParked) {
  // As when a channel is declared after the Runtime whose goroutines use it.
  // The values in the channel must end with the last of the parked.
  using V = Counted<31>;
  {
    auto ch = std::make_unique<Chan<V>>(MakeChan<V>(1));
    ch->Send(V(0));
    FakeGoroutine a([&] { ch->Send(V(1)); });
    a.AwaitPark();
    FakeGoroutine b([&] { ch->Send(V(2)); });
    b.AwaitPark();
    ch.reset();
    EXPECT_EQ(V::alive, 3);
    EXPECT_TRUE(a.Abandon());
    EXPECT_TRUE(b.Abandon());
  }
  EXPECT_EQ(V::alive, 0);
}

TEST(ChanAbandonTest, WaitReasonsAreGos) {
  Chan<int> nil;
  struct Case {
    std::function<void()> block;
    WaitReason reason;
  };
  const std::vector<Case> cases = {
      {[&] { nil.Recv(); }, WaitReason::kChanReceiveNil},
      {[&] { nil.Send(1); }, WaitReason::kChanSendNil},
      {[&] { Select(); }, WaitReason::kSelectNoCases},
      {[&] { Select(absl::Span<SelectCase>()); }, WaitReason::kSelectNoCases},
      {[&] { Select(OnRecv(nil)); }, WaitReason::kChanReceiveNil},
      {[&] { Select(OnSend(nil, 1)); }, WaitReason::kChanSendNil},
  };
  for (const Case& c : cases) {
    FakeGoroutine g(c.block);
    EXPECT_EQ(g.AwaitPark(), c.reason);
    EXPECT_TRUE(g.Abandon());
  }
}

}  // namespace
}  // namespace mpg
