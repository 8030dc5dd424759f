#include "runtime/backtrace.h"

#include <dlfcn.h>
#include <ucontext.h>
#include <unwind.h>

#include <algorithm>

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

// The name of the function around the instruction before `pc`, a return
// address.
std::string NameOf(const void* pc) {
  char name[1024];
  const char* before = static_cast<const char*>(pc) - 1;
  if (absl::Symbolize(before, name, sizeof name)) return name;
  return "?";
}

std::string PlaceOf(const void* pc) {
  Dl_info info;
  if (dladdr(pc, &info) == 0 || info.dli_fname == nullptr) {
    return absl::StrCat("0x", absl::Hex(reinterpret_cast<uintptr_t>(pc)));
  }
  const uintptr_t offset = reinterpret_cast<uintptr_t>(pc) -
                           reinterpret_cast<uintptr_t>(info.dli_fbase);
  return absl::StrCat(info.dli_fname, "+0x", absl::Hex(offset));
}

bool IsOurs(absl::string_view name) {
  return absl::StartsWith(name, "mpg::internal::") ||
         absl::StartsWith(name, "mpg::(anonymous namespace)::") ||
         name == "mpg_context_start" || absl::StartsWith(name, "_Unwind_") ||
         absl::StartsWith(name, "__cxa_") ||
         absl::StartsWith(name, "std::terminate") ||
         absl::StartsWith(name, "__cxxabiv1::");
}

std::string FormatFrame(const std::string& name, const void* pc) {
  // Names of functions come with their parameter types; of C functions without.
  const bool has_parameters = name.find('(') != std::string::npos;
  return absl::StrCat(name, has_parameters ? "" : "(...)", "\n\t", PlaceOf(pc),
                      "\n");
}

}  // namespace

void TakeBacktrace(Backtrace* out) {
  out->size = 0;
  out->truncated = false;
  _Unwind_Backtrace(AddFrame, out);
}

uintptr_t InterruptedSp(const void* context) {
  const auto* uc = static_cast<const ucontext_t*>(context);
#if defined(__x86_64__)
  return static_cast<uintptr_t>(uc->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return static_cast<uintptr_t>(uc->uc_mcontext.sp);
#endif
}

uintptr_t InterruptedPc(const void* context) {
  const auto* uc = static_cast<const ucontext_t*>(context);
#if defined(__x86_64__)
  return static_cast<uintptr_t>(uc->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<uintptr_t>(uc->uc_mcontext.pc);
#endif
}

void TakeInterruptedBacktrace(const void* context, Backtrace* out) {
  TakeBacktrace(out);
  void* const pc = reinterpret_cast<void*>(InterruptedPc(context));
  void** const end = out->pcs + out->size;
  void** const first = std::find(out->pcs, end, pc);
  if (first == end) return;  // the handler's frames as well, then
  out->size = static_cast<int>(std::move(first, end, out->pcs) - out->pcs);
  // As if it were a return address: names are looked up before those.
  out->pcs[0] = static_cast<char*>(pc) + 1;
}

std::string FormatPc(const void* pc) { return FormatFrame(NameOf(pc), pc); }

std::string FormatBacktrace(const Backtrace& trace) {
  std::string out;
  for (int i = 0; i < trace.size; ++i) {
    const std::string name = NameOf(trace.pcs[i]);
    if (!IsOurs(name)) out += FormatFrame(name, trace.pcs[i]);
  }
  if (trace.truncated) out += "...additional frames elided...\n";
  return out;
}

}  // namespace internal
}  // namespace mpg
