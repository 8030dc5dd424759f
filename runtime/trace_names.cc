#include "runtime/trace_names.h"

#include <cxxabi.h>
#include <stdlib.h>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/closure_origin.h"
#include "runtime/backtrace.h"

namespace mpg {
namespace internal {
namespace {

// The type that TextOfType means: a mangled name, or "... [with F = type]" (gcc),
// "... [F = type]" (clang).
std::string TypeOf(const char* text) {
  int status = 0;
  if (char* name = abi::__cxa_demangle(text, nullptr, nullptr, &status)) {
    // A lambda in a lambda: as short as Go's main.main.func1.func2.
    std::string out = absl::StrReplaceAll(
        name, {{"::operator()() const::", "::"}, {"::operator()()::", "::"}});
    free(name);
    return out;
  }
  absl::string_view rest = text;
  const size_t begin = rest.find("F = ");
  if (begin == absl::string_view::npos) return text;
  return std::string(absl::StripSuffix(rest.substr(begin + 4), "]"));
}

}  // namespace

std::vector<std::string> TraceNames() {
  return {"unspecified", "chan receive", "chan send",         "select",
          "forever",     "sync",         "sync.(*Cond).Wait", "sleep",
          "network",     "preempted",    "runtime.Gosched",   "synctest"};
}

TraceFrame FrameForTrace(uintptr_t address) {
  TraceFrame frame;
  if ((address & kOriginIsText) != 0) {
    frame.function =
        TypeOf(reinterpret_cast<const char*>(address & ~kOriginIsText));
    return frame;
  }
  const void* const pc = reinterpret_cast<const void*>(address);
  frame.function = FunctionName(pc);
  frame.file = PlaceOf(pc);
  // Closures are often inlined into what runs them, so that is shown.
  if (RunsClosure(frame.function) ||
      absl::StrContains(frame.function, "::internal_any_invocable::")) {
    frame.function = "(closure)";
  } else {
    frame.hidden = IsSchedulerFunction(frame.function);
  }
  return frame;
}

}  // namespace internal
}  // namespace mpg
