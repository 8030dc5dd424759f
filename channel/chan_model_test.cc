// The core of channels and Select under Relacy: the very code that ships, with
// lock, atomics and parking replaced (chan_env.h), in all the interleavings and
// with all the stale reads that the C++ memory model allows, as far as the
// search gets. Values are watched, so that one handed over without the right
// order is reported as a data race; a lost wake-up is reported as a deadlock.
//
// To show that these tests can fail, the last ones spoil the atomics.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "channel/chan_env.h"
#include "channel/elem_type.h"
#include "channel/hchan.h"
#include "channel/hchan_ops.h"
#include "channel/selectgo.h"
#include "channel/selectgo_ops.h"
#include "gtest/gtest.h"
#include "queue/relacy_atomics.h"  // last: see there

namespace mpg {
namespace internal {
namespace {

// Every execution with at most this many preemptions, and a random sample of
// all.
constexpr unsigned kPreemptions = 3;
constexpr uint64_t kEnough = 10000000;
constexpr uint64_t kSample = 30000;

template <class Test>
bool Holds(bool report = true) {
  return RelacyPasses<Test>(kEnough, report, rl::sched_bound, kPreemptions) &&
         RelacyPasses<Test>(kSample, report);
}

// What is spoiled.
enum class Spoil {
  kNothing,
  kAcquireLoads,   // are relaxed
  kReleaseStores,  // are relaxed
  kSelectDone,     // its compare-and-swap is a load and a store
};

template <class T, Spoil kSpoil>
class ModelAtomic
    : public RelacyAtomic<
          T, kSpoil == Spoil::kAcquireLoads    ? Weaken::kAcquireLoads
             : kSpoil == Spoil::kReleaseStores ? Weaken::kReleaseStores
                                               : Weaken::kNothing> {
 public:
  using ModelAtomic::RelacyAtomic::RelacyAtomic;

  bool compare_exchange_strong(T& expected, T desired, std::memory_order order,
                               std::memory_order on_failure) {
    if (kSpoil == Spoil::kSelectDone) {
      if (this->load(order) != expected) return false;
      this->store(desired, order);
      return true;
    }
    return ModelAtomic::RelacyAtomic::compare_exchange_strong(
        expected, desired, order, on_failure);
  }
};

template <Spoil kSpoil>
struct ModelEnv {
  template <class T>
  using Atomic = ModelAtomic<T, kSpoil>;
  using Lock = RelacyLock;

  struct Waiter {
    void* param = nullptr;
    Atomic<uint32_t> select_done{0};
    rl::generic_event woken;
  };
  struct ParkSite {
    WaitReason reason;
    bool (*commit)(Waiter* w, void* arg);
    bool (*abandon)(Waiter* w, void* arg);
    void (*forget)(Waiter*, void*) = nullptr;
  };

  static inline Waiter* waiters;  // of the running test, one for each thread

  static Waiter* Current() { return &waiters[rl::ctx().current_thread()]; }
  static void Park(Waiter* w, const ParkSite* site, Lock* lock, void* arg) {
    if (lock != nullptr) lock->Unlock();
    if (site->commit != nullptr && !site->commit(w, arg)) return;
    w->woken.wait(/*try_wait=*/false, /*is_timed=*/false, $);
  }
  static void Ready(Waiter* w) { w->woken.set($); }
  static void PreemptPoint(Waiter*) {}
  // Enough to choose between two.
  static uint32_t Random() { return rl::rand(2) << 31; }
};

// An element whose unsynchronized use Relacy reports.
struct Payload {
  explicit Payload(int v) : value(v) {}
  RelacyOwned<int> value;
};

// What the tests are made of: kThreads threads with channels.
template <class Derived, unsigned kThreads, Spoil kSpoil>
struct Model : rl::test_suite<Derived, kThreads> {
  using Env = ModelEnv<kSpoil>;
  using Channel = BasicHChan<Env>;
  using Ops = BasicChanOps<Env, ObjectElem>;

  static constexpr int kNone = -1;
  static constexpr int kClosed = -2;

  typename Env::Waiter waiters[kThreads];
  Channel* a = nullptr;
  Channel* b = nullptr;

  void Make(size_t capacity) {
    Env::waiters = waiters;
    for (auto& w : waiters) w.woken.init(/*manual_reset=*/false, false, $);
    a = Channel::Make(&ElemOf<Payload, Env>::kType, capacity);
    b = Channel::Make(&ElemOf<Payload, Env>::kType, capacity);
    // Select locks in the order of addresses, which must be the same in every
    // execution of a search that goes through them systematically.
    if (std::less<Channel*>()(b, a)) std::swap(a, b);
  }
  void after() {
    for (auto& w : waiters) w.woken.deinit($);
    a->Unref();
    b->Unref();
    static_cast<Derived*>(this)->Check();
  }

  static bool Send(Channel* c, int v) {
    Payload p(v);
    return Ops::Send(c, &p);
  }
  // kClosed: closed and drained.
  static int Recv(Channel* c) {
    std::optional<Payload> p;
    return Ops::Recv(c, &p) ? int{p->value} : kClosed;
  }
  // kNone: would block. As TypedOps::TryRecv.
  static int TryRecv(Channel* c) {
    if (c->RecvWouldBlock()) return kNone;
    std::optional<Payload> p;
    const Step step = Ops::TryRecv(c, &p);
    return step == Step::kDone     ? int{p->value}
           : step == Step::kClosed ? kClosed
                                   : kNone;
  }
  // Selects between two receives.
  SelectResult SelectRecv(Channel* x, Channel* y, int* got, bool block = true) {
    std::optional<Payload> p[2];
    const SelectResult r =
        SelectOf({x, &p[0], false}, {y, &p[1], false}, block);
    *got = r.index < 0 ? kNone : r.ok ? int{p[r.index]->value} : kClosed;
    return r;
  }
  struct Case {
    Channel* chan;
    void* elem;
    bool is_send;
  };
  static SelectResult SelectOf(Case x, Case y, bool block = true) {
    BasicSudog<Env> sudogs[2];
    int order[2];
    int i = 0;
    for (const Case& c : {x, y}) {
      sudogs[i].chan = c.chan;
      sudogs[i].elem = c.elem;
      sudogs[i].is_send = c.is_send;
      ++i;
    }
    return SelectGo(sudogs, order, 2, block);
  }
};

#define EXPECT_MODEL_HOLDS(...) \
  MPG_SKIP_UNDER_SANITIZERS();  \
  EXPECT_TRUE(Holds<__VA_ARGS__>())
#define EXPECT_MODEL_FAILS(...) \
  MPG_SKIP_UNDER_SANITIZERS();  \
  EXPECT_FALSE(Holds<__VA_ARGS__>(/*report=*/false))

// Two senders of two values each, one receiver: nothing is lost or doubled, and
// each sender's values stay in order.
template <size_t kCapacity>
struct TransferTest : Model<TransferTest<kCapacity>, 3, Spoil::kNothing> {
  int got[4];
  void before() { this->Make(kCapacity); }
  void thread(unsigned i) {
    if (i < 2) {
      for (int v = 1; v <= 2; ++v) RL_ASSERT(this->Send(this->a, 10 * i + v));
    } else {
      for (int& v : got) v = this->Recv(this->a);
    }
  }
  void Check() {
    int last[2] = {0, 0};
    for (int v : got) {
      RL_ASSERT(v % 10 == last[v / 10] + 1);
      last[v / 10] = v % 10;
    }
  }
};

TEST(ChanModelTest, UnbufferedTransfer) { EXPECT_MODEL_HOLDS(TransferTest<0>); }
TEST(ChanModelTest, BufferedTransfer) { EXPECT_MODEL_HOLDS(TransferTest<1>); }
TEST(ChanModelTest, RoomyTransfer) { EXPECT_MODEL_HOLDS(TransferTest<3>); }

// A sender, a receiver until closed, and somebody who closes: what was sent is
// what is received, and everybody comes back.
template <size_t kCapacity>
struct CloseTest : Model<CloseTest<kCapacity>, 3, Spoil::kNothing> {
  int sent = 0, received = 0;
  void before() { this->Make(kCapacity); }
  void thread(unsigned i) {
    if (i == 0) {
      while (sent < 2 && this->Send(this->a, 1)) ++sent;
    } else if (i == 1) {
      while (this->Recv(this->a) != this->kClosed) ++received;
    } else {
      this->a->Close();
    }
  }
  void Check() { RL_ASSERT(sent == received); }
};

TEST(ChanModelTest, CloseOfUnbuffered) { EXPECT_MODEL_HOLDS(CloseTest<0>); }
TEST(ChanModelTest, CloseOfBuffered) { EXPECT_MODEL_HOLDS(CloseTest<1>); }

// The channel is closed before it gets empty, so at no moment would a receive
// block.
template <Spoil kSpoil>
struct TryRecvTest : Model<TryRecvTest<kSpoil>, 2, kSpoil> {
  void before() { this->Make(1); }
  void thread(unsigned i) {
    if (i == 0) {
      this->a->Close();
      this->Recv(this->a);
    } else {
      RL_ASSERT(this->TryRecv(this->a) != this->kNone);
    }
  }
  void Check() {}
  // The value is there from the start.
  void Make(size_t capacity) {
    Model<TryRecvTest<kSpoil>, 2, kSpoil>::Make(capacity);
    this->Send(this->a, 1);
  }
};

TEST(ChanModelTest, TryRecvLooksInTheRightOrder) {
  EXPECT_MODEL_HOLDS(TryRecvTest<Spoil::kNothing>);
}

// One sender on each channel, and a Select that receives twice.
struct SelectRecvTest : Model<SelectRecvTest, 3, Spoil::kNothing> {
  int got[2];
  void before() { Make(0); }
  void thread(unsigned i) {
    if (i == 2) {
      for (int& v : got) SelectRecv(a, b, &v);
    } else {
      RL_ASSERT(Send(i == 0 ? a : b, 1 + static_cast<int>(i)));
    }
  }
  void Check() { RL_ASSERT(got[0] + got[1] == 3 && got[0] > 0 && got[1] > 0); }
};

TEST(ChanModelTest, SelectReceivesFromBoth) {
  EXPECT_MODEL_HOLDS(SelectRecvTest);
}

// A Select offers one value on two channels; it is taken once at most, and if
// it is, the Select knows.
template <Spoil kSpoil>
struct DoubleSelectTest : Model<DoubleSelectTest<kSpoil>, 3, kSpoil> {
  int sent = 0, received[2];
  void before() { this->Make(0); }
  void thread(unsigned i) {
    if (i == 2) {
      Payload p(1), q(1);
      sent = this->SelectOf({this->a, &p, true}, {this->b, &q, true}).ok;
    } else {
      auto* const c = i == 0 ? this->a : this->b;
      received[i] = this->TryRecv(c);
      c->Close();
    }
  }
  void Check() { RL_ASSERT(sent == (received[0] == 1) + (received[1] == 1)); }
};

TEST(ChanModelTest, DoubleSelectIsTakenOnce) {
  EXPECT_MODEL_HOLDS(DoubleSelectTest<Spoil::kNothing>);
}

// Two Selects meet over the same two channels, one sending and one receiving.
struct TwoSelectsTest : Model<TwoSelectsTest, 2, Spoil::kNothing> {
  int got = 0;
  int sent_on = 0;
  void before() { Make(0); }
  void thread(unsigned i) {
    if (i == 0) {
      Payload p(1), q(2);
      sent_on = SelectOf({b, &q, true}, {a, &p, true}).index;
    } else {
      SelectRecv(a, b, &got);
    }
  }
  void Check() { RL_ASSERT(got == (sent_on == 0 ? 2 : 1)); }
};

TEST(ChanModelTest, TwoSelectsMeet) { EXPECT_MODEL_HOLDS(TwoSelectsTest); }

// Each of two sends or receives on one channel, and may not meet itself.
struct SelfSelectTest : Model<SelfSelectTest, 2, Spoil::kNothing> {
  int got[2] = {kNone, kNone};
  void before() { Make(0); }
  void thread(unsigned i) {
    Payload mine(static_cast<int>(i));
    std::optional<Payload> other;
    const SelectResult r = SelectOf({a, &mine, true}, {a, &other, false});
    if (r.index == 1) got[i] = other->value;
  }
  void Check() {
    RL_ASSERT((got[0] == 1 && got[1] == kNone) ||
              (got[1] == 0 && got[0] == kNone));
  }
};

TEST(ChanModelTest, SelectDoesNotMeetItself) {
  EXPECT_MODEL_HOLDS(SelfSelectTest);
}

// At each moment one of the channels has a value, so a Select must not take its
// default. kLocked: as SelectGo has it; else with step 1 of its protocol only.
template <bool kLocked>
struct DefaultTest : Model<DefaultTest<kLocked>, 2, Spoil::kNothing> {
  using Base = Model<DefaultTest<kLocked>, 2, Spoil::kNothing>;
  void before() {
    this->Make(1);
    this->Send(this->b, 1);
  }
  void thread(unsigned i) {
    if (i == 0) {
      this->Send(this->a, 1);
      this->TryRecv(this->b);
    } else if (kLocked) {
      int got;
      this->SelectRecv(this->a, this->b, &got, /*block=*/false);
      RL_ASSERT(got == 1);
    } else {
      RL_ASSERT(!this->a->RecvWouldBlock() || !this->b->RecvWouldBlock());
    }
  }
  void Check() {}
};

TEST(ChanModelTest, DefaultIsNotTakenWhileSomethingIsReady) {
  EXPECT_MODEL_HOLDS(DefaultTest<true>);
}

// --- Spoiled ----------------------------------------------------------------

TEST(ChanModelTest, FindsLooksOutOfOrder) {
  EXPECT_MODEL_FAILS(TryRecvTest<Spoil::kAcquireLoads>);
}
TEST(ChanModelTest, FindsUnpublishedClose) {
  EXPECT_MODEL_FAILS(TryRecvTest<Spoil::kReleaseStores>);
}
TEST(ChanModelTest, FindsSelectThatTwoCanWin) {
  EXPECT_MODEL_FAILS(DoubleSelectTest<Spoil::kSelectDone>);
}
TEST(ChanModelTest, FindsDefaultTakenWithoutLocks) {
  EXPECT_MODEL_FAILS(DefaultTest<false>);
}

}  // namespace
}  // namespace internal
}  // namespace mpg
