// Traces begin, end and are written while everything goes on: every file is a trace,
// whose events can have happened in that way.
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/random.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/time.h"
#include "runtime/trace.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"
#include "tests/stress/stress_util.h"
#include "tests/trace/recorded.h"

namespace mpg {
namespace {

constexpr int kWorkers = 12;
constexpr int64_t kRunNs = 1'500'000'000;

struct World {
  Chan<int> bag = MakeChan<int>(4);
  Chan<int> swap = MakeChan<int>();
  Mutex mu;
  std::atomic<bool> over{false};
};

// One random thing of all that makes events.
void Step(World* w, FastRand* rand) {
  switch (rand->Below(12)) {
    case 0:
      return Gosched();
    case 1:
      return Sleep(absl::Microseconds(rand->Below(300)));
    case 2:
      return Syscall([] { getppid(); });
    case 3:
      return Syscall([&] { usleep(rand->Below(400)); });
    case 4:
      return BlockingSyscall([] { usleep(20); });
    case 5:
      Select(OnRecv(w->swap, [](std::optional<int>) {}),
             OnSend(w->swap, 1, [] {}), OnDefault([] {}));
      return;
    case 6:
      Select(OnRecv(w->swap, [](std::optional<int>) {}),
             OnRecv(After(absl::Microseconds(200)),
                    [](std::optional<absl::Time>) {}));
      return;
    case 7:
      w->bag.Send(1);
      w->bag.Recv();
      return;
    case 8: {
      w->mu.Lock();
      if (rand->Below(4) == 0) Gosched();
      w->mu.Unlock();
      return;
    }
    case 9: {
      WaitGroup wg;
      for (uint32_t i = rand->Below(20); i > 0; --i) wg.Go([] { Gosched(); });
      return wg.Wait();
    }
    case 10: {
      TraceTask task("task");
      TraceRegion region("region", &task);
      TraceLog("category", "message", &task);
      return;
    }
    default: {
      const int64_t end = NanoTime() + rand->Below(3'000'000);
      while (NanoTime() < end) {
      }
    }
  }
}

void Worker(World* w, FastRand rand) {
  while (!w->over.load()) Step(w, &rand);
}

// Goroutines that end with their thread, or are locked to it for a while.
void Locker(World* w, FastRand rand) {
  while (!w->over.load()) {
    WaitGroup wg;
    wg.Go([&] {
      LockOSThread();
      for (int i = 0; i < 3; ++i) Step(w, &rand);
      if (rand.Below(2) == 0) Goexit();
      UnlockOSThread();
    });
    wg.Wait();
  }
}

void Changer(World* w, FastRand rand, int procs) {
  while (!w->over.load()) {
    Sleep(absl::Milliseconds(rand.Below(40)));
    if (rand.Below(2) == 0) {
      GOMAXPROCS(1 +
                 static_cast<int>(rand.Below(static_cast<uint32_t>(procs))));
    } else {
      StopTheWorld("stress");
      StartTheWorld();
    }
  }
  GOMAXPROCS(procs);
}

// Another Runtime, again and again, and plain threads that use this one.
void Outsider(World* w, Runtime* runtime, FastRand rand) {
  while (!w->over.load()) {
    if (rand.Below(2) == 0) {
      Runtime other({.max_procs = 2});
      other.Run([&] {
        WaitGroup wg;
        for (int i = 0; i < 5; ++i) {
          wg.Go([&, r = rand] {
            FastRand own = r;
            for (int k = 0; k < 10; ++k) Step(w, &own);
          });
        }
        wg.Wait();
      });
    } else {
      runtime->Go([w] {
        w->bag.Send(2);
        w->bag.Recv();
      });
      w->bag.Send(3);
      w->bag.Recv();
    }
  }
}

void Tracer(World* w, FastRand rand, std::vector<std::string>* files) {
  while (!w->over.load()) {
    const std::string path = TraceFile();
    if (rand.Below(3) == 0) {
      FlightRecorder recorder({absl::Milliseconds(50), 1 << 20});
      if (!recorder.Start().ok()) continue;
      Sleep(absl::Milliseconds(rand.Below(150)));
      const absl::Status status = recorder.WriteTo(path);
      EXPECT_TRUE(status.ok()) << status;
    } else {
      if (!StartTrace(path).ok()) continue;
      Sleep(absl::Milliseconds(rand.Below(200)));
      StopTrace();
    }
    files->push_back(path);
  }
}

class TraceStressTest : public stress::StressTest {};

TEST_P(TraceStressTest, EveryFileIsATraceOfWhatCanHaveHappened) {
  RuntimeOptions options;
  options.max_procs = procs();
  options.time_slice = absl::Milliseconds(1);
  World world;
  std::vector<std::string> by_goroutine, by_thread;
  {
    Runtime runtime(options);
    std::vector<std::thread> threads;
    threads.emplace_back(Outsider, &world, &runtime, Rand(1000));
    threads.emplace_back([&] {
      Runtime none({.max_procs = 1});
      none.Run([&] { Tracer(&world, Rand(1001), &by_thread); });
    });
    runtime.Run([&] {
      WaitGroup wg;
      for (int i = 0; i < kWorkers; ++i) {
        wg.Go([&, i] { Worker(&world, Rand(i)); });
      }
      wg.Go([&] { Locker(&world, Rand(1002)); });
      wg.Go([&] { Changer(&world, Rand(1003), procs()); });
      wg.Go([&] { Tracer(&world, Rand(1004), &by_goroutine); });
      Sleep(absl::Nanoseconds(kRunNs));
      world.over.store(true);
      wg.Wait();
    });
    for (std::thread& t : threads) t.join();
    runtime.Wait();
  }
  EXPECT_GT(by_goroutine.size() + by_thread.size(), 2u);
  size_t events = 0;
  for (auto* files : {&by_goroutine, &by_thread}) {
    for (const std::string& path : *files) {
      const Recorded r = ReadRecorded(path);
      EXPECT_EQ(r.error, "") << path;
      events += r.events.size();
      if (r.error.empty()) unlink(path.c_str());
    }
  }
  EXPECT_GT(events, 1000u);
}

MPG_STRESS_AT_SEVERAL_PS(TraceStressTest);

}  // namespace
}  // namespace mpg
