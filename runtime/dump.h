// Goroutine dumps in Go's format.
#ifndef MPG_RUNTIME_DUMP_H_
#define MPG_RUNTIME_DUMP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "runtime/g.h"
#include "runtime/labels.h"

namespace mpg {
namespace internal {

// How much is shown of what went wrong: $GOTRACEBACK, read once. Each level shows
// what those before it do.
enum class TracebackLevel {
  kNone,    // "none", "0": the message alone
  kSingle,  // "single", the default: a panic shows its own goroutine
  kAll,     // "all", "1": every goroutine
  kSystem,  // "system", "2": with the scheduler's own frames
  kCrash,   // "crash": then SIGABRT, for a core file
};
TracebackLevel GetTracebackLevel();

// Ends the process: exit status 2, or SIGABRT at kCrash.
[[noreturn]] void ExitAfterTraceback();

// What a dump tells of one goroutine.
struct GoroutineRecord {
  int64_t goid = 0;
  std::string name;
  pprof::LabelSet labels;
  std::string state;  // "chan receive"
  int minutes = 0;    // for which it has been so
  bool locked = false;
  bool has_stack = true;  // false: it runs elsewhere and was not stopped
  bool truncated = false;
  std::vector<void*> pcs;
  int64_t parent_goid = 0;
  const void* gopc = nullptr;
};

// Looks at g, which stays what it is meanwhile: the world is stopped, or g is in a
// system call. False: it is no goroutine now.
bool RecordGoroutine(const G* g, GoroutineRecord* out);

// The calling goroutine, with the stack from the caller on.
void RecordSelf(const G* g, GoroutineRecord* out);

// "goroutine 7 [chan receive, 2 minutes, locked to thread]:\n", the frames, and who
// created it. `system`: with the scheduler's own frames.
std::string FormatRecord(const GoroutineRecord& record, bool system);

// "chan receive, 2 minutes, locked to thread"
std::string FormatState(const GoroutineRecord& record);
// The frames.
std::string FormatFrames(const GoroutineRecord& record, bool system);
// "created by f(...) in goroutine 1\n\tbinary+0x12\n", or nothing.
std::string FormatCreatedBy(const void* gopc, int64_t parent_goid);

// "goroutine 7 "name" [running, locked to thread] {"label":"value"}:\n".
std::string FormatHeader(const GoroutineRecord& record);
std::string FormatHeader(const G* g, absl::string_view state);
std::string FormatCreatedBy(const G* g);
std::string FormatCreatedBy(const void* gopc, int64_t parent_goid);

// All goroutines of all Runtimes; each Runtime's world is stopped while its
// goroutines are looked at. By a goroutine, or by any other thread.
std::vector<GoroutineRecord> RecordAll();

// For a dying process, after it has said why: its trace, if there is one, gets all
// that has happened. Once more: nothing.
void EndTraceOfDying(bool may_start);

// For a dying process: stops all Scheds as well as it can in `wait_ns`, for ever.
// may_start: new threads may be started for it, since the caller holds no lock.
void FreezeWorlds(int64_t wait_ns, bool may_start);
// How long a dying process waits for goroutines to stop: a signal takes much less,
// and who makes no call and cannot be interrupted is shown without a stack.
inline constexpr int64_t kFreezeNs = 100'000'000;
// Prints every goroutine but `self`, one at a time. After FreezeWorlds.
void PrintOthers(const G* self,
                 absl::FunctionRef<void(const std::string&)> print);

// Stops all Scheds as well as it can and prints every goroutine to stderr. For
// FatalError: the process is about to end, and nothing is set going again.
void DumpOnFatalError();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_DUMP_H_
