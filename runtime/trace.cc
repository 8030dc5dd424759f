#include "runtime/trace.h"

#include <stdlib.h>
#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/panic.h"
#include "runtime/dump.h"
#include "runtime/sched.h"
#include "runtime/trace_asked.h"
#include "runtime/trace_hooks.h"
#include "runtime/trace_sched.h"

namespace mpg {
namespace {

using internal::G;
using internal::GetTraceCollector;
using internal::M;

std::atomic<uint64_t> task_ids{0};

void Complain(const absl::Status& status) {
  PrintError(absl::StrCat("mpg: trace: ", status.message(), "\n"));
}

// Calls fn(stream, stack) if there is a trace and a goroutine to show in it.
template <class Fn>
void OnStream(const void* frame, Fn fn) {
  G* const g = internal::CurrentG();
  if (g == nullptr) return;
  M* const m = g->m;
  internal::UsingP using_p(m);
  if (!Traced(m)) return;
  TraceStream& stream = *m->trace;
  fn(stream, stream.Stack(frame, g->stack.hi));
}

uint64_t IdOf(const TraceTask* task) {
  return task == nullptr ? 0 : task->id();
}

}  // namespace

absl::Status StartTrace(const std::string& path) {
  return GetTraceCollector()->StartFile(path);
}

void StopTrace() {
  if (!internal::TraceIsOn()) return;  // needs no thread to see that
  const absl::Status status = GetTraceCollector()->StopFile();
  if (!status.ok() && !absl::IsFailedPrecondition(status)) Complain(status);
}

bool TraceEnabled() { return internal::TraceIsOn(); }

absl::Status FlightRecorder::Start() {
  const absl::Status status = GetTraceCollector()->StartFlight(
      absl::ToInt64Nanoseconds(options_.min_age), options_.max_bytes);
  if (status.ok()) enabled_ = true;
  return status;
}

void FlightRecorder::Stop() {
  if (!enabled_) return;
  enabled_ = false;
  GetTraceCollector()->StopFlight().IgnoreError();  // it can only be missing
}

absl::Status FlightRecorder::WriteTo(const std::string& path) {
  if (!enabled_) {
    return absl::FailedPreconditionError("flight recorder is not enabled");
  }
  return GetTraceCollector()->WriteFlight(path);
}

ABSL_ATTRIBUTE_NOINLINE TraceTask::TraceTask(absl::string_view type,
                                             const TraceTask* parent)
    // relaxed: only uniqueness matters.
    : id_(task_ids.fetch_add(1, std::memory_order_relaxed) + 1) {
  OnStream(__builtin_frame_address(0), [&](TraceStream& out, uint64_t stack) {
    out.Emit(TraceEvent::kUserTaskBegin, id_, IdOf(parent),
             out.tables()->String(type), stack);
  });
}

ABSL_ATTRIBUTE_NOINLINE void TraceTask::End() {
  if (ended_) return;
  ended_ = true;
  OnStream(__builtin_frame_address(0), [&](TraceStream& out, uint64_t stack) {
    out.Emit(TraceEvent::kUserTaskEnd, id_, stack);
  });
}

ABSL_ATTRIBUTE_NOINLINE TraceRegion::TraceRegion(absl::string_view type,
                                                 const TraceTask* task)
    : task_(IdOf(task)), type_(TraceEnabled() ? type : absl::string_view()) {
  if (type_.empty()) return;
  OnStream(__builtin_frame_address(0), [&](TraceStream& out, uint64_t stack) {
    out.Emit(TraceEvent::kUserRegionBegin, task_, out.tables()->String(type_),
             stack);
  });
}

ABSL_ATTRIBUTE_NOINLINE TraceRegion::~TraceRegion() {
  if (type_.empty()) return;
  OnStream(__builtin_frame_address(0), [&](TraceStream& out, uint64_t stack) {
    out.Emit(TraceEvent::kUserRegionEnd, task_, out.tables()->String(type_),
             stack);
  });
}

ABSL_ATTRIBUTE_NOINLINE void TraceLog(absl::string_view category,
                                      absl::string_view message,
                                      const TraceTask* task) {
  OnStream(__builtin_frame_address(0), [&](TraceStream& out, uint64_t stack) {
    out.Emit(TraceEvent::kUserLog, IdOf(task), out.tables()->String(category),
             out.tables()->String(message), stack);
  });
}

namespace internal {
namespace {

pid_t traced_process = 0;

// On whatever thread calls exit.
void EndTraceAtExit() {
  // A fork's child has none, and must not run its parent's goroutines.
  if (getpid() != traced_process || !TraceIsOn()) return;
  M* const m = CurrentM();
  const bool can_park =
      m == nullptr ||
      (m->curg.Get() != &m->g0 && m->p->status.load() != PStatus::kGcstop);
  if (can_park) {
    StopTrace();
  } else {
    EndTraceOfDying(/*may_start=*/true);
  }
}

}  // namespace

void TraceIfAsked() {
  static std::atomic<bool> asked{false};
  if (asked.exchange(true)) return;
  const char* path = getenv("MPG_TRACE");
  if (path == nullptr || *path == '\0') return;
  // One file for each process that inherits the environment.
  const absl::Status status =
      StartTrace(absl::StrReplaceAll(path, {{"%p", absl::StrCat(getpid())}}));
  if (status.ok()) {
    traced_process = getpid();
    atexit(&EndTraceAtExit);
  } else {
    PrintError(absl::StrCat("mpg: MPG_TRACE: ", status.message(), "\n"));
  }
}

}  // namespace internal
}  // namespace mpg
