// A small trace for tests, whose every time is known.
#ifndef MPG_TOOLS_TRACE_HAND_MADE_TRACE_H_
#define MPG_TOOLS_TRACE_HAND_MADE_TRACE_H_

#include <string>

#include "tools/trace/format.h"
#include "tools/trace/trace_builder.h"

namespace mpg {
namespace tracetool {

// Strings: 1 main.main, 2 main.worker, 3 "chan receive", 4 "preempted".
// Stacks: 1 in main.main, 2 in main.worker.
//
//   time   P 0 (thread 1)                 P 1 (thread 2)
//      0   goroutine 1 runs               idle
//   1000   creates goroutine 2
//   3000                                  starts 2: waited 2000
//   7000                                  2 blocks on a channel: ran 4000
//   9000   wakes 2: blocked 2000
//   9500                                  starts 2: waited 500
//  10500                                  2 ends: ran 1000
//  12000   1 goes into a system call: ran 12000
//  15000   and comes back: 3000
//  16000   1 is preempted: ran 1000
inline std::string HandMade() {
  return TraceBuilder()
      .Clock(1)
      .Strings(1, {"main.main", "main.worker", "chan receive", "preempted"})
      .Stacks(1, {1, 2})
      .Batch(1, 1, 1000000,
             Ev(kEvProcStatus, {0, 0, 1}) + Ev(kEvGoStatus, {0, 1, 1, 2}) +
                 Ev(kEvGoCreate, {1000, 2, 2, 1}) +
                 Ev(kEvGoUnblock, {8000, 2, 2, 1}) +
                 Ev(kEvGoSyscallBegin, {3000, 1, 1}) +
                 Ev(kEvGoSyscallEnd, {3000}) + Ev(kEvGoStop, {1000, 4, 1}))
      .Batch(1, 2, 1000500,
             Ev(kEvProcStatus, {0, 1, 1}) + Ev(kEvGoStart, {2500, 2, 1}) +
                 Ev(kEvGoBlock, {4000, 3, 2}) + Ev(kEvGoStart, {2500, 2, 3}) +
                 Ev(kEvGoDestroy, {1000}))
      .bytes();
}

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_HAND_MADE_TRACE_H_
