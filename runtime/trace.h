// Execution traces: what each goroutine, P and thread did and when, written to a
// file that `go tool trace` (Go 1.22 and later) and tools/trace open. Go: package
// runtime/trace.
//
//   absl::Status status = mpg::StartTrace("trace.out");
//   ...
//   mpg::StopTrace();
//
// or, for a whole program, MPG_TRACE=trace.out in its environment (%p stands for
// the process's number); for tests, --mpg_trace (testing/trace_flag.h). A trace
// shows all Runtimes of the process. Its events: goroutines that are created, start,
// block (and why), are unblocked (and by whom), give way or are preempted, and end;
// system calls; Ps that are taken up, laid down and taken away; stops of the world;
// and the tasks, regions and logs below; with call stacks, as far as code keeps frame
// pointers (-fno-omit-frame-pointer). docs/tracing.md shows how to read one.
//
// Costs: without a trace a load and a branch an event; with one, some 5 to 10
// ns, and once a second a stop of the world in which the state of each goroutine is
// written down (some 0.3 us each; less often, if it would take more than a twentieth
// of the time). One thread writes the file while there is a trace; what it has not
// written yet is in memory, without a bound.
//
// Thread safety: all functions may be called by any goroutine and any thread, a
// FlightRecorder by one at a time. A goroutine that has called StopTheWorld must not
// start, stop or write a trace.
#ifndef MPG_RUNTIME_TRACE_H_
#define MPG_RUNTIME_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mpg {

// Begins a trace. Blocks until it has begun: what the caller does from then on is
// in it. FailedPrecondition: "tracing is already enabled"; else why `path` cannot
// be written, or that there is no thread for it. Go: trace.Start.
absl::Status StartTrace(const std::string& path);

// Ends it and blocks until the file is complete. Does nothing if there is none.
// Says so on stderr if the file could not be written in full (no space, or no
// memory for events). A trace that has not been stopped when the program ends by
// exit lacks its last part, by a fatal error nothing. Go: trace.Stop.
void StopTrace();

// There is a trace or a flight recorder just now. A hint: either may come or go
// at any time. Go: trace.IsEnabled.
bool TraceEnabled();

// Keeps the last events in memory, to be written when something has gone wrong.
// There is one for the process at a time; a trace may be taken besides.
// Go: trace.FlightRecorder (Go 1.25).
class FlightRecorder {
 public:
  struct Options {
    absl::Duration min_age = absl::Seconds(10);  // keeps at least so much
    size_t max_bytes = size_t{10} << 20;  // but, if it can, no more than this
  };
  FlightRecorder() : FlightRecorder(Options()) {}
  explicit FlightRecorder(Options options) : options_(options) {}
  ~FlightRecorder() { Stop(); }
  FlightRecorder(const FlightRecorder&) = delete;
  FlightRecorder& operator=(const FlightRecorder&) = delete;

  // FailedPrecondition: one is running already. Blocks as StartTrace does.
  absl::Status Start();
  void Stop();  // and forgets what there is
  bool Enabled() const { return enabled_; }
  // Writes a trace file of what it has, up to now; it goes on. Blocks until that
  // is done. FailedPrecondition: it is not running.
  absl::Status WriteTo(const std::string& path);

 private:
  const Options options_;
  bool enabled_ = false;
};

// A logical operation, such as one request, of which several goroutines may do
// parts. `go tool trace` lists tasks with their durations, regions and logs.
// Those made on a plain thread are not in the trace. Go: trace.NewTask.
class TraceTask {
 public:
  explicit TraceTask(absl::string_view type, const TraceTask* parent = nullptr);
  ~TraceTask() { End(); }
  TraceTask(const TraceTask&) = delete;
  TraceTask& operator=(const TraceTask&) = delete;

  void End();
  uint64_t id() const { return id_; }

 private:
  const uint64_t id_;
  bool ended_ = false;
};

// A part of what one goroutine does; they nest. Must be destroyed by the
// goroutine that made it. Go: trace.StartRegion.
class TraceRegion {
 public:
  explicit TraceRegion(absl::string_view type, const TraceTask* task = nullptr);
  ~TraceRegion();
  TraceRegion(const TraceRegion&) = delete;
  TraceRegion& operator=(const TraceRegion&) = delete;

 private:
  const uint64_t task_;
  const std::string type_;  // empty: there was no trace
};

// A message. `category` is for who reads the trace to filter by; may be empty.
// Strings are cut at 1 KiB. Go: trace.Log.
void TraceLog(absl::string_view category, absl::string_view message,
              const TraceTask* task = nullptr);

}  // namespace mpg

#endif  // MPG_RUNTIME_TRACE_H_
