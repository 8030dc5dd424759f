#include "tools/trace/event_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mpg {
namespace tracetool {
namespace {

absl::string_view KindName(uint8_t type) {
  switch (type) {
    case kEvSync:
      return "Sync";
    case kEvProcsChange:
    case kEvHeapAlloc:
    case kEvHeapGoal:
      return "Metric";
    case kEvGoLabel:
      return "Label";
    case kEvCpuSample:
      return "StackSample";
    case kEvStwBegin:
    case kEvGcBegin:
    case kEvGcSweepBegin:
    case kEvGcMarkAssistBegin:
      return "RangeBegin";
    case kEvGcActive:
    case kEvGcSweepActive:
    case kEvGcMarkAssistActive:
      return "RangeActive";
    case kEvStwEnd:
    case kEvGcEnd:
    case kEvGcSweepEnd:
    case kEvGcMarkAssistEnd:
      return "RangeEnd";
    case kEvUserTaskBegin:
      return "TaskBegin";
    case kEvUserTaskEnd:
      return "TaskEnd";
    case kEvUserRegionBegin:
      return "RegionBegin";
    case kEvUserRegionEnd:
      return "RegionEnd";
    case kEvUserLog:
      return "Log";
    default:
      return type >= kEvExperimentFirst ? "Experimental" : "StateTransition";
  }
}

absl::string_view MetricName(uint8_t type) {
  switch (type) {
    case kEvProcsChange:
      return "/sched/gomaxprocs:threads";
    case kEvHeapAlloc:
      return "/memory/classes/heap/objects:bytes";
    default:
      return "/gc/heap/goal:bytes";
  }
}

void AppendStack(const Event& event, uint64_t stack, absl::string_view title,
                 std::string* out) {
  absl::StrAppend(out, "\n", title, "=\n");
  for (const Frame& frame : event.tables->Stack(stack)) {
    absl::StrAppendFormat(out, "\t%s @ 0x%x\n\t\t%s:%d\n",
                          event.tables->String(frame.function), frame.pc,
                          event.tables->String(frame.file), frame.line);
  }
}

void AppendRange(const Event& event, std::string* out) {
  std::string name, scope;
  switch (event.type) {
    case kEvStwBegin:
    case kEvStwEnd:
      name = absl::StrCat("stop-the-world (",
                          event.tables->String(event.args[0]), ")");
      scope = absl::StrCat("Goroutine(", event.g, ")");
      break;
    case kEvGcActive:
    case kEvGcBegin:
    case kEvGcEnd:
      name = "GC concurrent mark phase";
      scope = "None";
      break;
    case kEvGcSweepActive:
    case kEvGcSweepBegin:
    case kEvGcSweepEnd:
      name = "GC incremental sweep";
      scope = absl::StrCat("Proc(", event.p, ")");
      break;
    default:
      name = "GC mark assist";
      scope = absl::StrCat("Goroutine(",
                           event.type == kEvGcMarkAssistActive
                               ? static_cast<int64_t>(event.args[0])
                               : event.g,
                           ")");
  }
  absl::StrAppend(out, " Name=", Quoted(name), " Scope=", scope);
  if (KindName(event.type) != "RangeEnd") return;
  absl::StrAppend(out, " Attributes=[");
  if (event.type == kEvGcSweepEnd) {
    absl::StrAppend(out, "\"bytes swept\"=Uint64(", event.args[0],
                    ") \"bytes reclaimed\"=Uint64(", event.args[1], ")");
  }
  absl::StrAppend(out, "]");
}

void AppendTransition(const Event& event, std::string* out) {
  const bool go = event.subject == Event::Subject::kGoroutine;
  const bool reason = event.type == kEvGoStop || event.type == kEvGoBlock;
  absl::StrAppend(
      out, " Resource=", go ? "Goroutine(" : "Proc(", event.subject_id,
      ") Reason=", Quoted(reason ? event.tables->String(event.args[0]) : ""),
      go ? " GoID=" : " ProcID=", event.subject_id, " ", StateName(event.from),
      "->", StateName(event.to));
  uint64_t stack = 0;
  switch (event.type) {
    case kEvGoCreate:
    case kEvGoCreateBlocked:
      stack = event.args[1];
      break;
    case kEvGoStop:
    case kEvGoBlock:
    case kEvGoSyscallBegin:
      stack = event.stack();
      break;
    default:
      break;
  }
  if (stack != 0) AppendStack(event, stack, "TransitionStack", out);
}

void AppendDetails(const Event& event, std::string* out) {
  const auto string = [&event](int arg) {
    return Quoted(event.tables->String(event.args[arg]));
  };
  const absl::string_view kind = KindName(event.type);
  if (kind == "Metric") {
    absl::StrAppend(out, " Name=", Quoted(MetricName(event.type)),
                    " Value=Uint64(", event.args[0], ")");
  } else if (kind == "Label") {
    absl::StrAppend(out, " Label=", string(0), " Resource=Goroutine(", event.g,
                    ")");
  } else if (kind == "TaskBegin" || kind == "TaskEnd") {
    absl::StrAppend(out, " ID=", event.args[0], " Parent=", event.parent_task,
                    " Type=", Quoted(event.task_name));
  } else if (kind == "RegionBegin" || kind == "RegionEnd") {
    absl::StrAppend(out, " Task=", event.args[0], " Type=", string(1));
  } else if (kind == "Log") {
    absl::StrAppend(out, " Task=", event.args[0], " Category=", string(1),
                    " Message=", string(2));
  } else if (kind == "Experimental") {
    absl::StrAppend(out, " Name=", SpecOf(event.type).name);
  } else if (kind == "StateTransition") {
    AppendTransition(event, out);
  } else if (kind != "Sync" && kind != "StackSample") {
    AppendRange(event, out);
  }
}

}  // namespace

absl::string_view StateName(State state) {
  switch (state) {
    case State::kUndetermined:
      return "Undetermined";
    case State::kNotExist:
      return "NotExist";
    case State::kRunnable:
      return "Runnable";
    case State::kRunning:
      return "Running";
    case State::kWaiting:
      return "Waiting";
    case State::kSyscall:
      return "Syscall";
    case State::kIdle:
      return "Idle";
  }
  return "Bad";
}

std::string Quoted(absl::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&result, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  result += '"';
  return result;
}

std::string EventText(const Event& event) {
  std::string text =
      absl::StrCat("M=", event.m, " P=", event.p, " G=", event.g, " ",
                   KindName(event.type), " Time=", event.time);
  AppendDetails(event, &text);
  if (event.type != kEvSync && event.stack() != 0) {
    AppendStack(event, event.stack(), "Stack", &text);
  }
  return text;
}

}  // namespace tracetool
}  // namespace mpg
