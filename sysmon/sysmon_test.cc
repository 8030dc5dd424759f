#include "sysmon/sysmon.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "sysmon/quiet_host.h"

namespace mpg {
namespace {

constexpr int64_t kUs = 1000;
constexpr int64_t kMs = 1000 * kUs;
constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

class FakeClock final : public SysmonClock {
 public:
  int64_t Now() override { return now; }
  void Sleep(Note*, int64_t ns) override {
    slept.push_back(ns);
    if (ns != kForever) now += ns;
    on_sleep();
  }
  std::function<void()> on_sleep = [] {};
  int64_t now = 1000 * kMs;
  std::vector<int64_t> slept;
};

class FakeHost final : public SysmonHost {
 public:
  explicit FakeHost(int n) : procs(n) {
    for (auto& p : procs) p = {ProcStatus::kRunning, 0, 0, 0, false};
  }
  int NumProcs() override { return static_cast<int>(procs.size()); }
  ProcSample Sample(int proc) override { return procs[proc]; }
  bool WorldStopping() override { return stopping; }
  bool AllIdle() override { return all_idle; }
  bool OthersIdle() override { return others_idle; }
  bool Preempt(int proc) override {
    Log("preempt", proc);
    return force;
  }
  int64_t NextDue() override { return next_due; }
  bool RetakeSyscall(int proc, uint32_t) override {
    Log("retake", proc);
    return true;
  }
  bool Stalled(int proc, const ProcSample&, int64_t ns) override {
    Log("stalled", proc);
    stalled_for = ns;
    return stall_told;
  }
  void SettleStalls() override { ++settled; }
  int64_t stalled_for = 0;
  bool stall_told = true;
  int settled = 0;
  void WakeForLocalWork(int proc) override { Log("wake", proc); }
  int64_t LastPoll() override { return last_poll; }
  bool NetworkUnpolled() override { return unpolled; }
  bool PollNetwork() override {
    log.push_back("poll");
    return false;
  }
  void WakeToPoll() override { log.push_back("wake to poll"); }
  int64_t NextTimer() override {
    during_look();
    return next_timer;
  }
  std::function<void()> during_look = [] {};
  void StartForTimer() override { log.push_back("timer"); }
  int64_t WhenAllIdle(int64_t idle_ns) override {
    log.push_back("idle");
    idle_for = idle_ns;
    ++idles;
    return idle_again;
  }
  int64_t idle_for = 0;
  std::atomic<int> idles{0};
  int64_t idle_again = kForever;
  void Periodic(int64_t) override { log.push_back("periodic"); }
  void SchedTrace(bool detailed) override {
    log.push_back(detailed ? "trace+" : "trace");
  }
  void Log(const char* what, int proc) {
    log.push_back(what + std::string(" ") + std::to_string(proc));
  }
  int Count(const std::string& what) const {
    return static_cast<int>(std::count(log.begin(), log.end(), what));
  }

  std::vector<ProcSample> procs;
  bool stopping = false;
  bool all_idle = false;
  bool others_idle = false;
  bool force = false;  // what Preempt returns
  int64_t next_due = kForever;
  int64_t last_poll = 0;
  bool unpolled = false;
  int64_t next_timer = kForever;
  std::vector<std::string> log;
};

class SysmonTest : public testing::Test {
 protected:
  // Looks until `ns` have passed.
  void RunFor(Sysmon* sysmon, int64_t ns) {
    const int64_t end = clock.now + ns;
    while (clock.now < end) clock.now += std::max<int64_t>(1, sysmon->Step());
  }
  FakeClock clock;
  FakeHost host{2};
  SysmonOptions options;
};

TEST_F(SysmonTest, PreemptsOnlyAfterATimeSliceUnderOneTick) {
  Sysmon sysmon(&host, &clock, options);
  sysmon.Step();  // first sight
  RunFor(&sysmon, 9 * kMs);
  EXPECT_EQ(host.Count("preempt 0"), 0);
  host.procs[1].schedtick++;
  RunFor(&sysmon, 5 * kMs);
  EXPECT_GE(host.Count("preempt 0"), 1);
  EXPECT_EQ(host.Count("preempt 1"), 0);
}

TEST_F(SysmonTest, AnEndlessSliceIsNoReasonToLook) {
  options.time_slice_ns = options.stall_ns = options.schedtrace_ns = kForever;
  Sysmon sysmon(&host, &clock, options);
  for (int i = 0; i < 1000; ++i) {
    const int64_t wait = sysmon.Step();
    ASSERT_GE(wait, options.min_sleep_ns);
    clock.now += wait;
  }
  EXPECT_EQ(host.log.size(),
            static_cast<size_t>(host.Count("periodic") + host.Count("trace")));
}

TEST_F(SysmonTest, LooksAtTheEndOfASliceAndSoonAgainWhenTheHostForces) {
  Sysmon sysmon(&host, &clock, options);
  host.others_idle = true;
  for (int i = 0; i < 60; ++i) {
    clock.now += sysmon.Step();
    for (auto& p : host.procs) p.schedtick++;
  }
  const int64_t began = clock.now;
  host.force = true;
  int64_t first = 0;
  while (host.Count("preempt 0") == 0) {
    const int64_t wait = sysmon.Step();
    if (first == 0) first = clock.now;
    ASSERT_LE(clock.now - first, options.time_slice_ns);
    clock.now += wait;
  }
  EXPECT_LE(clock.now - began, options.time_slice_ns + 20 * kUs);
  EXPECT_EQ(sysmon.Step(), 20 * kUs);
}

TEST_F(SysmonTest, LooksWhenATimerIsDueBehindWhoOverstays) {
  Sysmon sysmon(&host, &clock, options);
  for (int64_t end = clock.now + 100 * kMs; clock.now < end;) {
    clock.now += sysmon.Step();
  }
  const int preempts = host.Count("preempt 0");
  host.next_due = clock.now + 3 * kMs;
  EXPECT_EQ(sysmon.Step(), 3 * kMs);
  clock.now = host.next_due;
  EXPECT_EQ(sysmon.Step(), 20 * kUs);
  EXPECT_EQ(host.Count("preempt 0"), preempts + 2);
}

TEST_F(SysmonTest, RetakesAtTheEndOfASliceFromWhoMakesManyShortCalls) {
  Sysmon sysmon(&host, &clock, options);
  host.procs[0].status = SysmonHost::ProcStatus::kSyscall;
  host.procs[0].syscalltick = 1;
  host.others_idle = true;
  for (int64_t end = clock.now + 9 * kMs; clock.now < end;) {
    clock.now += sysmon.Step();
    host.procs[0].syscalltick++;
  }
  EXPECT_EQ(host.Count("retake 0"), 0);
  for (int64_t end = clock.now + 5 * kMs; clock.now < end;) {
    clock.now += sysmon.Step();
    host.procs[0].syscalltick++;
  }
  EXPECT_GE(host.Count("retake 0"), 1);
}

TEST_F(SysmonTest, ReportsAStallOnceAndAnewAfterASwitch) {
  options.stall_ns = 25 * kMs;
  Sysmon sysmon(&host, &clock, options);
  const int64_t began = clock.now;
  sysmon.Step();
  while (host.Count("stalled 0") == 0) {
    host.procs[1].switches++;
    clock.now += sysmon.Step();
    ASSERT_LE(clock.now - began, 40 * kMs);
  }
  EXPECT_EQ(host.stalled_for, 25 * kMs);
  EXPECT_GT(host.settled, 0);
  RunFor(&sysmon, 100 * kMs);
  EXPECT_EQ(host.Count("stalled 0"), 1);
  host.procs[0].switches++;
  RunFor(&sysmon, 100 * kMs);
  EXPECT_EQ(host.Count("stalled 0"), 2);
}

TEST_F(SysmonTest, AsksForAStallAgainEachMillisecondUntilItIsTold) {
  options.stall_ns = 25 * kMs;
  host.stall_told = false;
  host.procs[1].status = SysmonHost::ProcStatus::kIdle;
  Sysmon sysmon(&host, &clock, options);
  RunFor(&sysmon, 26 * kMs);
  const int asked = host.Count("stalled 0");
  ASSERT_GE(asked, 1);
  EXPECT_LE(sysmon.Step(), kMs);
  EXPECT_EQ(host.Count("stalled 0"), asked + 1);
  host.procs[0].schedtick++;  // over
  RunFor(&sysmon, 20 * kMs);
  EXPECT_EQ(host.Count("stalled 0"), asked + 1);
}

TEST_F(SysmonTest, NoStallInASystemCallNorWithSystemCallsNorWhenNotAskedFor) {
  options.stall_ns = 5 * kMs;
  host.procs[0].status = SysmonHost::ProcStatus::kSyscall;
  {
    Sysmon sysmon(&host, &clock, options);
    for (const int64_t end = clock.now + 50 * kMs; clock.now < end;) {
      host.procs[1].syscalltick++;
      clock.now += sysmon.Step();
    }
    EXPECT_EQ(host.stalled_for, 0);
    host.stopping = true;  // who keeps the world from stopping is told as well
    RunFor(&sysmon, 10 * kMs);
    EXPECT_EQ(host.Count("stalled 1"), 1);
  }
  options.stall_ns = 0;
  host.log.clear();
  Sysmon sysmon(&host, &clock, options);
  RunFor(&sysmon, 50 * kMs);
  EXPECT_EQ(host.Count("stalled 1"), 0);
}

TEST_F(SysmonTest, BacksOffFrom20UsTo10MsAndComesBackWhenItRetook) {
  Sysmon sysmon(&host, &clock, options);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(sysmon.Step(), 20 * kUs) << i;
  EXPECT_EQ(sysmon.Step(), 40 * kUs);
  for (int i = 0; i < 20; ++i) sysmon.Step();
  EXPECT_EQ(sysmon.Step(), 10 * kMs);
  host.procs[0].status = SysmonHost::ProcStatus::kSyscall;
  EXPECT_EQ(sysmon.Step(), 20 * kUs);
  EXPECT_EQ(host.Count("retake 0"), 1);
}

TEST_F(SysmonTest, WakesForLocalWorkOnlyIfTheProcHasNotSwitched) {
  host.others_idle = true;
  host.procs[0].has_local_work = true;
  Sysmon sysmon(&host, &clock, options);
  host.procs[0].switches = 7;
  sysmon.Step();
  EXPECT_EQ(host.Count("wake 0"), 0);  // first sight
  host.procs[0].switches = 8;
  sysmon.Step();
  EXPECT_EQ(host.Count("wake 0"), 0);
  sysmon.Step();
  EXPECT_EQ(host.Count("wake 0"), 1);
  host.others_idle = false;
  sysmon.Step();
  EXPECT_EQ(host.Count("wake 0"), 1);
}

// 200 times: all switch, and the host does `also`. Looks must be at most 1 ms apart.
template <class F>
void LooksEachMillisecond(Sysmon* sysmon, FakeHost* host, FakeClock* clock,
                          F also) {
  for (int i = 0; i < 200; ++i) {
    for (auto& p : host->procs) p.schedtick++, p.switches++;
    also();
    const int64_t wait = sysmon->Step();
    ASSERT_LE(wait, kMs);
    clock->now += wait;
  }
}

TEST_F(SysmonTest, LooksEachMillisecondAtWorkThatOthersCouldTake) {
  Sysmon sysmon(&host, &clock, options);
  host.others_idle = true;
  host.procs[1].has_local_work = true;
  LooksEachMillisecond(&sysmon, &host, &clock, [] {});
  EXPECT_EQ(host.Count("wake 1"), 0);
  sysmon.Step();
  EXPECT_EQ(host.Count("wake 1"), 1);
}

// One system call after the other, none long: not retaken.
TEST_F(SysmonTest, WakesForLocalWorkBehindSystemCalls) {
  Sysmon sysmon(&host, &clock, options);
  host.others_idle = true;
  host.procs[0] = {SysmonHost::ProcStatus::kSyscall, 0, 7, 5, true};
  sysmon.Step();
  EXPECT_EQ(host.Count("wake 0"), 0);
  host.procs[0].syscalltick++;
  sysmon.Step();
  EXPECT_EQ(host.Count("wake 0"), 1);
  EXPECT_EQ(host.Count("retake 0"), 0);
}

TEST_F(SysmonTest, LooksEachMillisecondAtASyscallWithWorkThatOthersCouldTake) {
  Sysmon sysmon(&host, &clock, options);
  host.others_idle = true;
  host.procs[0] = {SysmonHost::ProcStatus::kSyscall, 0, 0, 5, true};
  LooksEachMillisecond(&sysmon, &host, &clock,
                       [&] { host.procs[0].syscalltick++; });
  clock.now += sysmon.Step();
  EXPECT_EQ(host.Count("retake 0"), 1);
}

// Somebody sleeps in the network, or a batch held the last who waited for it: who
// was left alone with a batch need not wake sysmon for each.
TEST_F(SysmonTest, LooksEachMillisecondWhileTheNetworkIsPolledByAnybody) {
  Sysmon sysmon(&host, &clock, options);
  host.others_idle = true;
  LooksEachMillisecond(&sysmon, &host, &clock,
                       [&] { host.last_poll = clock.now; });
  EXPECT_TRUE(host.Count("wake to poll") == 0 && host.Count("poll") == 0);
}

TEST_F(SysmonTest, WakesAMillisecondAfterAPollWhoeverSwitches) {
  Sysmon sysmon(&host, &clock, options);
  host.others_idle = true;
  host.unpolled = true;
  LooksEachMillisecond(&sysmon, &host, &clock,
                       [&] { host.last_poll = clock.now; });
  host.log.clear();
  host.last_poll = clock.now;
  EXPECT_EQ(sysmon.Step(), kMs);
  EXPECT_EQ(host.Count("wake to poll"), 0);
  clock.now += kMs;
  host.procs[0].switches++;
  host.procs[1].status = SysmonHost::ProcStatus::kSyscall;
  sysmon.Step();
  EXPECT_EQ(host.Count("wake to poll"), 1);
}

// But not if nobody is idle at any of many looks.
TEST_F(SysmonTest, BacksOffWhenPollsAreFrequentAndAllAreBusy) {
  Sysmon sysmon(&host, &clock, options);
  host.unpolled = true;
  int looks = 0;
  for (const int64_t end = clock.now + 1000 * kMs; clock.now < end; ++looks) {
    host.last_poll = clock.now;
    for (auto& p : host.procs) p.schedtick++, p.switches++;
    clock.now += sysmon.Step();
  }
  EXPECT_LT(looks, 200);
}

// It may have been so for longer than sysmon waits until it polls itself.
TEST_F(SysmonTest, AnIdleOneIsWokenHoweverLongNobodyHasPolled) {
  Sysmon sysmon(&host, &clock, options);
  RunFor(&sysmon, 100 * kMs);
  host.log.clear();
  host.unpolled = true;
  host.others_idle = true;
  host.last_poll = clock.now - 15 * kMs;
  EXPECT_EQ(sysmon.Step(), kMs);
  EXPECT_EQ(host.Count("wake to poll"), 1);
  EXPECT_EQ(host.Count("poll"), 0);
  clock.now += 6 * kMs;
  sysmon.Step();  // who was woken has not come
  EXPECT_EQ(host.Count("poll"), 1);
}

TEST_F(SysmonTest, WakesNobodyToPollIfSomebodyWaitsOrNobodyIsIdle) {
  Sysmon sysmon(&host, &clock, options);
  host.others_idle = true;
  RunFor(&sysmon, 20 * kMs);
  host.unpolled = true;
  host.others_idle = false;
  host.last_poll = clock.now;
  RunFor(&sysmon, 9 * kMs);
  host.others_idle = true;
  host.stopping = true;
  host.last_poll = clock.now;
  RunFor(&sysmon, 9 * kMs);
  EXPECT_EQ(host.Count("wake to poll"), 0);
}

TEST_F(SysmonTest, APollDuringALookShortensTheSleepIfSomebodyIsIdle) {
  for (const bool idle : {false, true}) {
    options.min_sleep_ns = options.max_sleep_ns = 1'000'000 * kMs;
    Sysmon sysmon(&host, &clock, options);
    host.others_idle = idle;
    host.during_look = [&] {
      host.last_poll = clock.now;
      sysmon.LookSoon(clock.now);
    };
    clock.on_sleep = [&] { sysmon.Stop(); };
    clock.slept.clear();
    sysmon.Run();
    ASSERT_EQ(clock.slept.size(), 1u);
    EXPECT_EQ(clock.slept[0], idle ? kMs : 10 * kMs);
    clock.now += kMs;
  }
}

TEST_F(SysmonTest, RetakesASyscallWithWorkAtTheSecondLook) {
  Sysmon sysmon(&host, &clock, options);
  host.procs[0] = {SysmonHost::ProcStatus::kSyscall, 0, 0, 5, true};
  host.others_idle = true;
  sysmon.Step();
  EXPECT_EQ(host.Count("retake 0"), 0);
  host.log.clear();
  sysmon.Step();
  EXPECT_EQ(host.Count("retake 0"), 1);
  EXPECT_EQ(host.Count("wake 0"), 0);  // whoever takes over the P is enough
}

TEST_F(SysmonTest, LeavesASyscallWithoutWorkFor10MsIfOthersAreIdle) {
  host.others_idle = true;
  Sysmon sysmon(&host, &clock, options);
  host.procs[0] = {SysmonHost::ProcStatus::kSyscall, 0, 0, 5, false};
  RunFor(&sysmon, 9 * kMs);
  EXPECT_EQ(host.Count("retake 0"), 0);
  RunFor(&sysmon, 12 * kMs);
  EXPECT_GE(host.Count("retake 0"), 1);
}

TEST_F(SysmonTest, TouchesNothingWhileTheWorldStops) {
  host.stopping = true;
  host.others_idle = true;
  host.procs[0].has_local_work = true;
  Sysmon sysmon(&host, &clock, options);
  RunFor(&sysmon, 50 * kMs);
  EXPECT_TRUE(host.log.empty());
}

TEST_F(SysmonTest, PollsTheNetworkAndStartsOverdueTimers) {
  Sysmon sysmon(&host, &clock, options);
  host.unpolled = true;
  host.last_poll = clock.now - 11 * kMs;
  host.next_timer = clock.now - 1;
  sysmon.Step();
  EXPECT_EQ(host.Count("poll"), 1);
  EXPECT_EQ(host.Count("timer"), 1);
}

TEST_F(SysmonTest, IdleIsCheckedOnceAndThenSleptThroughForEver) {
  host.all_idle = true;
  Sysmon sysmon(&host, &clock, options);
  const int64_t end = clock.now + options.idle_check_ns;
  while (clock.now < end) {
    EXPECT_EQ(host.Count("idle"), 0);
    const int64_t wait = sysmon.Step();
    EXPECT_LE(wait, options.unpolled_ns);
    clock.now += wait;
  }
  EXPECT_EQ(clock.now, end);
  sysmon.Step();
  sysmon.Step();
  EXPECT_EQ(host.Count("idle"), 1);
  ASSERT_EQ(clock.slept.size(), 2u);
  EXPECT_EQ(clock.slept[0], kForever);
  host.all_idle = false;
  EXPECT_EQ(sysmon.Step(), options.min_sleep_ns);
  host.all_idle = true;
  sysmon.Step();
  clock.now += options.idle_check_ns;
  sysmon.Step();
  EXPECT_EQ(host.Count("idle"), 2);
}

TEST_F(SysmonTest, AfterAShortDeepSleepTheDistanceDoublesAtOnce) {
  Sysmon sysmon(&host, &clock, options);
  for (const int64_t rest : {7 * kMs, 8 * kMs}) {  // and idle_check_ns
    host.all_idle = false;
    for (int i = 0; i < 100; ++i) {
      for (auto& p : host.procs) p.schedtick++;
      sysmon.Step();
    }
    host.all_idle = true;
    host.idle_again = rest;
    sysmon.Step();
    clock.now += options.idle_check_ns;
    clock.on_sleep = [&] { host.all_idle = false; };
    sysmon.Step();
    clock.on_sleep = [] {};
    EXPECT_EQ(clock.slept.back(), rest);
    EXPECT_EQ(sysmon.Step(), rest < 8 * kMs ? 40 * kUs : 20 * kUs);
    EXPECT_EQ(sysmon.Step(), rest < 8 * kMs ? 80 * kUs : 20 * kUs);
  }
}

TEST_F(SysmonTest, IdleIsCheckedAgainWhenTheHostAsksForIt) {
  host.all_idle = true;
  host.idle_again = 50 * kMs;
  Sysmon sysmon(&host, &clock, options);
  sysmon.Step();
  clock.now += options.idle_check_ns;
  sysmon.Step();
  ASSERT_EQ(clock.slept.size(), 1u);
  EXPECT_EQ(clock.slept[0], 50 * kMs);
  clock.now -= 1;
  sysmon.Step();  // woken for something else: sleeps the rest
  EXPECT_EQ(host.Count("idle"), 1);
  EXPECT_EQ(clock.slept[1], 1);
  sysmon.Step();
  EXPECT_EQ(host.Count("idle"), 2);
  EXPECT_EQ(host.idle_for, options.idle_check_ns + 50 * kMs);
}

TEST_F(SysmonTest, WhoStartedAndIsIdleAgainAtTheNextLookIsNoticed) {
  host.all_idle = true;
  Sysmon sysmon(&host, &clock, options);
  sysmon.Step();
  clock.now += options.idle_check_ns;
  sysmon.Step();
  EXPECT_EQ(host.Count("idle"), 1);
  sysmon.Wakeup();  // all is idle again before sysmon looks
  sysmon.Step();
  EXPECT_EQ(host.Count("idle"), 1);
  clock.now += options.idle_check_ns;
  sysmon.Step();
  EXPECT_EQ(host.Count("idle"), 2);
}

TEST_F(SysmonTest, DeepSleepEndsForATimer) {
  host.all_idle = true;
  host.next_timer = clock.now + 100 * kMs;
  Sysmon sysmon(&host, &clock, options);
  sysmon.Step();
  clock.now += options.idle_check_ns;
  sysmon.Step();
  ASSERT_EQ(clock.slept.size(), 1u);
  EXPECT_LE(clock.slept[0], 100 * kMs);
}

TEST_F(SysmonTest, TracesAtOnceAndThenAtEachPeriodAlsoWhenIdle) {
  options.schedtrace_ns = 100 * kMs;
  host.all_idle = true;
  Sysmon sysmon(&host, &clock, options);
  const int64_t end = clock.now + 1000 * kMs;
  while (clock.now < end) clock.now += sysmon.Step();
  EXPECT_GE(host.Count("trace"), 10);
  EXPECT_LE(host.Count("trace"), 11);
}

void PauseAtRandom(FastRand* rand, uint32_t most_us) {
  const int64_t wait = rand->Below(most_us) * kUs;
  for (const int64_t end = NanoTime() + wait; NanoTime() < end;) {
  }
}

template <class F>
bool Within20s(F done) {
  for (const int64_t limit = NanoTime() + 20'000 * kMs; !done();) {
    if (NanoTime() >= limit) return false;
    std::this_thread::yield();
  }
  return true;
}

// A scheduler that goes idle and starts again, against a sysmon that falls
// asleep: each start must be noticed.
TEST(SysmonThreadTest, NoWakeupIsLostOnTheWayToDeepSleep) {
  class Host final : public QuietHost {
   public:
    int NumProcs() override { return 1; }
    ProcSample Sample(int) override {
      if (!all_idle.load()) looks.fetch_add(1);
      return {ProcStatus::kRunning, 0, 0, 0, false};
    }
    bool AllIdle() override { return all_idle.load(); }
    std::atomic<bool> all_idle{true};
    std::atomic<int> looks{0};
  };
  Host host;
  SysmonOptions options;
  options.idle_check_ns = 1;  // to sleep at once
  options.max_sleep_ns = 100 * kUs;
  Sysmon sysmon(&host, RealSysmonClock(), options);
  std::thread thread([&] { sysmon.Run(); });
  FastRand rand(NextSeed());
  for (int i = 0; i < 500; ++i) {
    PauseAtRandom(&rand, 100);
    const int before = host.looks.load();
    host.all_idle.store(false);
    sysmon.Wakeup();
    if (!Within20s([&] { return host.looks.load() != before; })) {
      ADD_FAILURE() << "sysmon sleeps on, round " << i;
      break;
    }
    host.all_idle.store(true);
  }
  sysmon.Stop();
  thread.join();
}

// The network is polled and sysmon told, which would sleep for ever otherwise.
TEST(SysmonThreadTest, ASoonLookIsNeverMissed) {
  class Clock final : public SysmonClock {
   public:
    int64_t Now() override { return NanoTime(); }
    void Sleep(Note* note, int64_t ns) override {
      note->SleepFor(ns > kMs ? -1 : ns);
    }
  };
  class Host final : public QuietHost {
   public:
    bool OthersIdle() override { return true; }
    int64_t LastPoll() override { return last_poll.load(); }
    bool NetworkUnpolled() override { return last_poll.load() != 0; }
    void WakeToPoll() override { last_poll.store(0); }
    std::atomic<int64_t> last_poll{0};
  };
  Host host;
  Clock clock;
  SysmonOptions options;
  options.unpolled_ns = 100 * kUs;
  options.min_sleep_ns = options.max_sleep_ns = 1'000'000 * kMs;
  Sysmon sysmon(&host, &clock, options);
  std::thread thread([&] { sysmon.Run(); });
  FastRand rand(NextSeed());
  for (int i = 0; i < 500; ++i) {
    PauseAtRandom(&rand, 400);  // sysmon sleeps for ever after 100
    const int64_t now = NanoTime();
    host.last_poll.store(now);
    sysmon.LookSoon(now);
    if (!Within20s([&] { return host.last_poll.load() == 0; })) {
      ADD_FAILURE() << "sysmon sleeps on, round " << i;
      break;
    }
  }
  sysmon.Stop();
  thread.join();
}

TEST(SysmonThreadTest, StopEndsDeepSleep) {
  FakeHost host(1);
  host.all_idle = true;
  Sysmon sysmon(&host, RealSysmonClock(), SysmonOptions());
  std::thread thread([&] { sysmon.Run(); });
  while (host.idles == 0) std::this_thread::yield();
  sysmon.Stop();
  thread.join();
  EXPECT_EQ(host.Count("idle"), 1);
}

}  // namespace
}  // namespace mpg
