// What the tests of traces share: a trace of a piece of code, read back.
#ifndef MPG_TESTS_TRACE_RECORDED_H_
#define MPG_TESTS_TRACE_RECORDED_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "runtime/options.h"
#include "runtime/test_util.h"
#include "tools/trace/event.h"

namespace mpg {

struct RecordedEvent {
  tracetool::Event event;
  std::vector<std::string> text;   // its strings
  std::vector<std::string> stack;  // of who ran: functions, innermost first
  std::vector<std::string> start;  // of a goroutine that is created

  bool Is(tracetool::State from, tracetool::State to) const {
    return event.subject == tracetool::Event::Subject::kGoroutine &&
           event.from == from && event.to == to;
  }
};

struct Recorded {
  std::string error;  // why the file is no trace; empty: it is one
  std::vector<RecordedEvent> events;

  std::vector<const RecordedEvent*> OfType(tracetool::EventType type) const;
  // Those in which goroutines stop running for `reason`: GoBlock and GoStop.
  std::vector<const RecordedEvent*> Stops(absl::string_view reason) const;
  // The goroutine with `function` in its start; 0: there is none.
  int64_t Goroutine(absl::string_view function) const;
  // Its states, in order.
  std::vector<tracetool::State> States(int64_t g) const;
};

// The events of a file, in the order in which they can have happened.
Recorded ReadRecorded(const std::string& path);

// A file of its own for each call in a test.
std::string TraceFile();

// Runs body as the main goroutine of a Runtime, with a trace around it.
Recorded Record(absl::FunctionRef<void()> body,
                const RuntimeOptions& options = internal::Procs(2));

}  // namespace mpg

#endif  // MPG_TESTS_TRACE_RECORDED_H_
