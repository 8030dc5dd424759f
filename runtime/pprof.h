// Profiles in the format that `go tool pprof` reads. Go: package runtime/pprof.
//
//   absl::Status s = mpg::pprof::WriteProfile("goroutine", "goroutine.pb.gz");
//
//   $ go tool pprof -top goroutine.pb.gz
//
// Three profiles:
//   goroutine  where all goroutines of the process are now, those with the same stack
//              and labels counted together. Taking it stops the world of one
//              Runtime after the other, for some microseconds a goroutine.
//   block      where goroutines were blocked on channels, locks, condition variables
//              and wait groups, and for how long, since SetBlockProfileRate was first
//              called. Threads that run no goroutine are not in it, nor is waiting
//              for time or the network.
//   mutex      who kept others waiting for a Mutex or RWMutex: the stacks of those who
//              let it go, with how long the one who then got its turn had waited;
//              since SetMutexProfileFraction was first called.
//
// The functions are named by the symbol tables of the program and its libraries; what
// the compiler has inlined is counted to the function it is in. Link with -rdynamic or
// without -s.
//
// Thread safety: all functions from any goroutine or thread. Taking a profile may
// block, and must not be done within StopTheWorld.
#ifndef MPG_RUNTIME_PPROF_H_
#define MPG_RUNTIME_PPROF_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/labels.h"

namespace mpg {
namespace pprof {

// The names of all profiles, sorted.
std::vector<std::string> ProfileNames();

// The profile as a gzipped protocol buffer (perftools.profiles.Profile).
// NotFound: there is no profile of this name.
absl::StatusOr<std::string> Profile(absl::string_view name);

// The same into a file, which is created or overwritten. An error of the system
// names the file; what had been written is then removed.
absl::Status WriteProfile(absl::string_view name, const std::string& path);

// From now on the block profile notes one event for each `rate` nanoseconds that
// goroutines spend blocked, on average: all of them if rate is 1, none if it is 0 or
// less. What has been noted stays. While it is on, a goroutine that blocks looks at
// the clock twice. Go: runtime.SetBlockProfileRate.
void SetBlockProfileRate(int64_t rate);

// From now on the mutex profile notes one in `rate` of the releases that let a waiter
// go: 0: none. A negative rate changes nothing. Returns the previous one.
// Go: runtime.SetMutexProfileFraction.
int64_t SetMutexProfileFraction(int64_t rate);

}  // namespace pprof
}  // namespace mpg

#endif  // MPG_RUNTIME_PPROF_H_
