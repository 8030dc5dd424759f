// A socket that shows a running program's scheduler to tools/top, and to whoever
// speaks its protocol.
//
//   MPG_DEBUG_SOCKET=/tmp/%p.sock ./program        # %p: the process's number
//   tools/top/mpg-top /tmp/1234.sock
//
// Protocol, on a Unix stream socket. One request a connection: the client sends a
// line, the program answers and closes.
//
//   stats\n          one line of JSON, below
//   dump\n           DumpGoroutines(), see stack_dump.h; stops the world for it
//   dump grouped\n   the same, identical stacks together
//
// Anything else is answered with a line that begins with "error: ". The JSON:
//
//   {"version":1, "pid":7, "program":"server", "time_ns":123, "cpu_ns":45,
//    "voluntary_switches":6, "involuntary_switches":1,    of all threads so far:
//                                 they went to sleep, or were driven from a CPU
//    "runtimes":[{"gomaxprocs":2, "idleprocs":1, "threads":4, "spinningthreads":0,
//      "idlethreads":1, "nmidlelocked":0, "runqueue":0, "goroutines":9,
//      "goroutines_created":99, "switches":12, "schedticks":8, "steals":3,
//      "thread_wakes":4, "gcwaiting":false, "uptime_ns":1,
//      "latencies":[[64,5], [80,1]],
//      "states":{"running":1, "runnable":2, "syscall":0, "chan receive":6},
//      "procs":[{"id":0, "status":"running", "m":2, "goid":1, "runq":3,
//                "timers":0, "schedtick":5, "switches":7, "syscalltick":0}],
//      "ms":[{"id":0, "tid":7, "state":"idle", "p":-1, "goid":0,
//             "spinning":false}]}]}
//
// "states" has a goroutine's wait reason, or its status if it does not wait; an M is
// "active", "syscall", "idle", "locked" (it waits for its goroutine) or "starting".
// "latencies" has how long goroutines were runnable before they ran, of one in 128:
// pairs of the least time of a bucket in nanoseconds, and how many were in it so far;
// a bucket is a quarter of the way from one power of two to the next. Those without
// any are left out. "thread_wakes" counts idle Ms woken for a P.
// Where there is none, "m" and "p" are -1 and "goid" is 0. Further fields may
// come; those here stay. Figures are not taken at one instant, and nothing is
// stopped for them.
//
// Who may ask: root and the user that the program runs as; the socket has mode
// 0600 and the program looks who is there. The program is not held up: a thread
// that does nothing else serves one request after the other and waits for no client
// longer than 2 seconds.
#ifndef MPG_RUNTIME_DEBUG_SERVER_H_
#define MPG_RUNTIME_DEBUG_SERVER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mpg {

// Opens the socket and starts to serve. In `path`, %p stands for the process's
// number. A socket that nobody serves any more is replaced. AlreadyExists: somebody
// does, or what is there is no socket; FailedPrecondition: this process serves
// already. Any thread. The socket's file is removed when the program exits in the
// ordinary way.
//
// With $MPG_DEBUG_SOCKET, the first Runtime does this; what fails is a line on
// stderr.
absl::Status ServeDebug(absl::string_view path);

// Closes and removes the socket; returns when the thread has ended. Any thread.
// Does nothing if there is none.
void StopServingDebug();

}  // namespace mpg

#endif  // MPG_RUNTIME_DEBUG_SERVER_H_
