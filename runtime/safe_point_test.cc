// Safe points: a function that runs once for each P while the world goes on.
#include <atomic>
#include <memory>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/sched.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::RunWith;
using internal::Scaled;

TEST(ForEachP, RunsOnceForEachPWhetherBusyOrIdle) {
  for (int procs : {1, 2, 4}) {
    for (int busy : {0, 3, 50}) {
      RunWith(procs, [procs, busy] {
        std::atomic<bool> stop{false};
        auto done = MakeChan<int>();
        for (int i = 0; i < busy; ++i) {
          Go([&] {
            while (!stop.load()) Gosched();
            done.Send(1);
          });
        }
        internal::G* g = internal::CurrentGOrPanic();
        internal::Sched* s = g->sched;
        for (int k = 0; k < Scaled(100); ++k) {
          std::unique_ptr<std::atomic<int>[]> calls(
              new std::atomic<int>[procs]());
          s->world.Acquire();
          s->ForEachP(g->m->p, [&](internal::P* p) { ++calls[p->id]; });
          s->world.Release();
          for (int i = 0; i < procs; ++i) ASSERT_EQ(calls[i].load(), 1);
          Gosched();
        }
        stop = true;
        for (int i = 0; i < busy; ++i) done.Recv();
      });
    }
  }
}

}  // namespace
}  // namespace mpg
