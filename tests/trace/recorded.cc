#include "tests/trace/recorded.h"

#include <atomic>
#include <fstream>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/trace.h"
#include "tools/trace/format.h"
#include "tools/trace/reader.h"

namespace mpg {
namespace {

using tracetool::Event;
using tracetool::EventSpec;
using tracetool::State;

std::vector<std::string> FunctionsOf(const Event& event, uint64_t stack) {
  std::vector<std::string> out;
  for (const tracetool::Frame& frame : event.tables->Stack(stack)) {
    out.emplace_back(event.tables->String(frame.function));
  }
  return out;
}

RecordedEvent Resolve(const Event& event) {
  RecordedEvent out{event, {}, {}, {}};
  if (event.type == tracetool::kEvSync) return out;
  const EventSpec& spec = tracetool::SpecOf(event.type);
  for (const int at : spec.strings) {
    if (at < 0) continue;
    out.text.emplace_back(event.tables->String(event.args[at]));
  }
  out.stack = FunctionsOf(event, event.stack());
  if (spec.stacks[1] >= 0) {
    out.start = FunctionsOf(event, event.args[spec.stacks[1]]);
  }
  return out;
}

}  // namespace

std::vector<const RecordedEvent*> Recorded::OfType(
    tracetool::EventType type) const {
  std::vector<const RecordedEvent*> out;
  for (const RecordedEvent& e : events) {
    if (e.event.type == type) out.push_back(&e);
  }
  return out;
}

std::vector<const RecordedEvent*> Recorded::Stops(
    absl::string_view reason) const {
  std::vector<const RecordedEvent*> out;
  for (const RecordedEvent& e : events) {
    const bool stops = e.event.type == tracetool::kEvGoBlock ||
                       e.event.type == tracetool::kEvGoStop;
    if (stops && e.text.at(0) == reason) out.push_back(&e);
  }
  return out;
}

int64_t Recorded::Goroutine(absl::string_view function) const {
  for (const RecordedEvent& e : events) {
    if (!e.start.empty() && absl::StrContains(e.start[0], function)) {
      return e.event.subject_id;
    }
  }
  return 0;
}

std::vector<State> Recorded::States(int64_t g) const {
  std::vector<State> out;
  for (const RecordedEvent& e : events) {
    if (e.event.subject != Event::Subject::kGoroutine) continue;
    if (e.event.subject_id == g) out.push_back(e.event.to);
  }
  return out;
}

Recorded ReadRecorded(const std::string& path) {
  Recorded out;
  std::ifstream in(path, std::ios::binary);
  if (!in) out.error = absl::StrCat("cannot open ", path);
  tracetool::TraceReader reader(&in);
  while (out.error.empty()) {
    Event event;
    const absl::StatusOr<bool> more = reader.Next(&event);
    if (!more.ok()) {
      out.error = std::string(more.status().message());
    } else if (!*more) {
      break;
    } else {
      out.events.push_back(Resolve(event));
    }
  }
  return out;
}

std::string TraceFile() {
  static std::atomic<int> files{0};
  return absl::StrCat(testing::TempDir(), "/", files++, ".trace");
}

Recorded Record(absl::FunctionRef<void()> body, const RuntimeOptions& options) {
  const std::string path = TraceFile();
  Runtime runtime(options);
  runtime.Run([&] {
    const absl::Status status = StartTrace(path);
    if (!status.ok()) ADD_FAILURE() << status;
    body();
    StopTrace();
  });
  return ReadRecorded(path);
}

}  // namespace mpg
