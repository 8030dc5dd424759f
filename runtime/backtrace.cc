#include "runtime/backtrace.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <unwind.h>

#include <utility>

#include "absl/base/dynamic_annotations.h"
#include "absl/debugging/symbolize.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace mpg {
namespace internal {
namespace {

_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void* arg) {
  Backtrace* out = static_cast<Backtrace*>(arg);
  void* pc = reinterpret_cast<void*>(_Unwind_GetIP(context));
  if (pc == nullptr) return _URC_END_OF_STACK;
  if (out->size == Backtrace::kMaxFrames) {
    out->truncated = true;
    return _URC_END_OF_STACK;
  }
  out->pcs[out->size++] = pc;
  return _URC_NO_REASON;
}

std::string FormatFrame(const std::string& name, const void* pc) {
  // Names of functions come with their parameter types; of C functions without.
  const bool has_parameters = name.find('(') != std::string::npos;
  return absl::StrCat(name, has_parameters ? "" : "(...)", "\n\t", PlaceOf(pc),
                      "\n");
}

}  // namespace

std::string PlaceOf(const void* pc) {
  Dl_info info;
  if (dladdr(pc, &info) == 0 || info.dli_fname == nullptr) {
    return absl::StrCat("0x", absl::Hex(reinterpret_cast<uintptr_t>(pc)));
  }
  const uintptr_t offset = reinterpret_cast<uintptr_t>(pc) -
                           reinterpret_cast<uintptr_t>(info.dli_fbase);
  return absl::StrCat(info.dli_fname, "+0x", absl::Hex(offset));
}

std::string FunctionName(const void* pc) {
  char name[1024];
  const char* before = static_cast<const char*>(pc) - 1;
  // The thread sanitizer does not see inside Abseil how one thread hands its
  // tables on to the next.
  ABSL_ANNOTATE_IGNORE_READS_AND_WRITES_BEGIN();
  const bool found = absl::Symbolize(before, name, sizeof name);
  ABSL_ANNOTATE_IGNORE_READS_AND_WRITES_END();
  if (!found) return "?";
  if (!absl::StartsWith(name, "_Z")) return name;
  // Abseil's demangler, which allocates nothing, does not know all.
  int status = 0;
  char* full = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string out = status == 0 ? full : name;
  free(full);
  return out;
}

bool IsSchedulerFunction(absl::string_view name) {
  return absl::StartsWith(name, "mpg::internal::") ||
         absl::StartsWith(name, "mpg::(anonymous namespace)::") ||
         name == "mpg_context_start" || absl::StartsWith(name, "_Unwind_") ||
         absl::StartsWith(name, "__cxa_") ||
         absl::StartsWith(name, "std::terminate") ||
         absl::StartsWith(name, "__cxxabiv1::");
}

bool RunsClosure(absl::string_view name) {
  // Abseil's demangler leaves out what is between < and >.
  return absl::StartsWith(name, "mpg::internal::ClosureIn<") &&
         absl::StrContains(name, ">::Run(");
}

bool IsHiddenFrame(absl::string_view name, absl::string_view callee) {
  if (!IsSchedulerFunction(name)) return false;
  return !RunsClosure(name) || !absl::StartsWith(callee, "mpg::") ||
         absl::StrContains(callee, "operator()");  // that is the closure
}

void TakeBacktrace(Backtrace* out) {
  out->size = 0;
  out->truncated = false;
  _Unwind_Backtrace(AddFrame, out);
}

std::string FormatPc(const void* pc) {
  return FormatFrame(FunctionName(pc), pc);
}

std::string FormatBacktrace(const Backtrace& trace, bool system) {
  std::string out, callee;
  for (int i = 0; i < trace.size; ++i) {
    std::string name = FunctionName(trace.pcs[i]);
    if (system || !IsHiddenFrame(name, callee)) {
      out += FormatFrame(name, trace.pcs[i]);
    }
    callee = std::move(name);
  }
  if (trace.truncated) out += "...additional frames elided...\n";
  return out;
}

}  // namespace internal
}  // namespace mpg
