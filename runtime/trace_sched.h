// What a Sched has for execution traces, and its place in a trace of the process.
//
// Each M has a TraceStream of its own, to which it writes while it has a P; so
// whoever stops the world may change all of them. What happens without a P goes
// to the Sched's shared stream, under a lock: a goroutine readied from elsewhere,
// the P taken from a system call. That lock is held also when there is no trace,
// around each change of a status without a P: else one might slip through while a
// trace begins and says what all goroutines are doing.
//
// A generation of a trace begins in each Sched with its world stopped. By then no
// goroutine runs and all Ps are idle, so little need be said. A goroutine is known
// to the trace if it was there at its beginning or was created with an event; one
// that was created by a plain thread is made known when it first runs.
//
// Source: Go's traceAdvance (trace.go), which stops nobody and pays for it with
// the status of whoever comes first, goroutine by goroutine.
#ifndef MPG_RUNTIME_TRACE_SCHED_H_
#define MPG_RUNTIME_TRACE_SCHED_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "base/lock.h"
#include "trace/trace_collector.h"
#include "trace/trace_stream.h"

namespace mpg {
namespace internal {

struct M;
struct Sched;

struct SchedTrace {
  RuntimeLock mu;  // a leaf but for the locks of trace/

  // Change with the world stopped and both Sched::mu and mu held; read with one
  // of the three.
  TraceTables* tables = nullptr;  // null: no trace is taken
  uint32_t epoch = 0;             // of the trace: see G::trace
  uint64_t begin_time = 0;        // of the generation

  std::unique_ptr<TraceStream> shared;  // guarded by mu

  // This generation says nothing of GOMAXPROCS yet, which takes a goroutine that
  // runs; who clears it sees to that. relaxed: nothing else goes with it.
  std::atomic<bool> procs_unsaid{false};
};

// A Sched's life. Any thread; TraceEnds may block.
void TraceStarts(Sched* s);    // before its first M
void TraceEnds(Sched* s);      // before it stops, not by a goroutine of it
void TraceHasEnded(Sched* s);  // all its threads have left or are in calls

// m is new. Sched::mu is held.
void TraceNewM(M* m);

// The process's collector, made on demand.
TraceCollector* GetTraceCollector();
// A hint. (TraceEnabled)
bool TraceIsOn();
// Its threads that can wake nobody.
int IdleTraceThreads();
// A dying process, whose goroutines stand still as far as can be: what has been
// traced up to now goes to the file.
void TraceDies();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TRACE_SCHED_H_
