// RuntimeOptions and SchedStats: what goes into a Runtime and what it tells.
#ifndef MPG_RUNTIME_OPTIONS_H_
#define MPG_RUNTIME_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace mpg {

struct RuntimeOptions {
  // How many goroutines run at the same time. 0: $GOMAXPROCS, else the CPUs
  // granted to the process (affinity mask and cgroup CPU quota).
  int max_procs = 0;
  // OS threads; one more ends the program with "fatal error: thread
  // exhaustion", as in Go.
  int max_threads = 10000;
  // Bytes of address space for a goroutine's stack; memory is taken as it is
  // touched, 4 KiB at a time. Rounded up to a power of two of at least 16 KiB.
  size_t stack_size = 256 << 10;
  // How long a goroutine may run while others wait.
  absl::Duration time_slice = absl::Milliseconds(10);
  // Preempt goroutines that make no call (GODEBUG=asyncpreemptoff=1: do not).
  bool async_preempt = true;
  // Print a SCHED line to stderr this often; zero: never
  // (GODEBUG=schedtrace=<ms>). scheddetail adds a line for each P, M and G.
  absl::Duration schedtrace = absl::ZeroDuration();
  bool scheddetail = false;
  // Report on stderr, with its stack, a goroutine that keeps its processor for
  // longer: it computes without giving way, or blocks in a call that Syscall does
  // not announce. Once each time, at most 5 times a minute; SchedStats::stalls
  // counts the others too. One that ends before its thread has answered, or while
  // another's is asked, may be missed. Zero: do not (GODEBUG=stallms=<ms>). The
  // signal that fetches the stack interrupts a blocking call as one that preempts
  // does. At or below time_slice, goroutines that give way when asked are reported
  // as well.
  absl::Duration stall_report = absl::ZeroDuration();
  // An idle thread ends after so long.
  absl::Duration idle_thread_life = absl::Seconds(10);

  // Options as $GOMAXPROCS and $GODEBUG say. A GOMAXPROCS that is not a positive
  // number (Go ignores it in silence) and a malformed GODEBUG entry that names
  // one of our keys end the program with a message and exit status 2.
  static RuntimeOptions FromEnvironment();
};

// A snapshot; the names are schedtrace's. Not taken at one instant.
struct SchedStats {
  int gomaxprocs = 0;
  int idleprocs = 0;
  int threads = 0;  // sysmon included
  int spinningthreads = 0;
  int idlethreads = 0;
  int runqueue = 0;                  // the global run queue
  std::vector<int> local_runqueues;  // one a P
  int64_t goroutines = 0;
  // Counters since the Runtime began.
  uint64_t goroutines_created = 0;
  uint64_t steals = 0;
  uint64_t schedticks = 0;
  uint64_t switches = 0;  // goroutines that parked, gave way,
                          // were preempted or ended
  uint64_t stalls = 0;    // see RuntimeOptions::stall_report
  uint64_t handoffs = 0;  // Ps given to another thread: system calls, stops
  uint64_t retakes = 0;   // Ps that sysmon took from goroutines in system calls
  uint64_t yields = 0;    // goroutines that gave way when asked to
  uint64_t signalled = 0;  // goroutines that a signal has preempted
};

// The CPUs the process may use now: affinity mask and cgroup quota, at least 1.
// Go 1.25: defaultGOMAXPROCS.
int CpusGranted();

}  // namespace mpg

#endif  // MPG_RUNTIME_OPTIONS_H_
