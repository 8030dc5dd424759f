#include "runtime/panic.h"

#include <cxxabi.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <exception>
#include <string>
#include <typeinfo>

#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"
#include "base/panic.h"
#include "runtime/backtrace.h"
#include "runtime/dump.h"
#include "runtime/sched.h"
#include "runtime/unwind.h"

namespace mpg {
namespace internal {
namespace {

std::terminate_handler previous_handler = nullptr;
std::atomic<bool> panicking{false};

std::string TypeName(const std::type_info& type) {
  int status = 0;
  char* name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string out = status == 0 ? name : type.name();
  free(name);
  return out;
}

// What Go prints behind "panic: ": the text of a Panic; with any other
// exception its type as well, since what() alone is often too little.
std::string DescribeException(const G* g) {
  const std::exception_ptr current = std::current_exception();
  if (current == nullptr) {
    return IsUnwinding(g) ? "Goexit through a noexcept function"
                          : "std::terminate called";
  }
  try {
    std::rethrow_exception(current);
  } catch (const Panic& e) {
    return e.what();
  } catch (const std::exception& e) {
    return absl::StrCat(TypeName(typeid(e)), ": ", e.what());
  } catch (const std::string& e) {
    return e;
  } catch (const char* e) {
    return e;
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return type == nullptr ? "unknown exception" : TypeName(*type);
  }
}

[[noreturn]] void OnTerminate() {
  G* g = CurrentOrCallingG();
  if (g == nullptr) {
    if (previous_handler != nullptr) previous_handler();
    abort();
  }
  if (panicking.exchange(true)) {
    for (;;) pause();  // another panic is being printed
  }
  const TracebackLevel level = GetTracebackLevel();
  PrintError(absl::StrCat("panic: ", DescribeException(g), "\n"));
  if (level == TracebackLevel::kNone) ExitAfterTraceback();
  Backtrace trace;
  TakeBacktrace(&trace);
  PrintError(
      absl::StrCat("\n", FormatHeader(g, "running"),
                   FormatBacktrace(trace, level >= TracebackLevel::kSystem),
                   FormatCreatedBy(g)));
  if (level >= TracebackLevel::kAll) {
    FreezeWorlds(kFreezeNs, /*may_start=*/true);
    PrintOthers(g, [](const std::string& text) { PrintError(text); });
  }
  ExitAfterTraceback();
}

}  // namespace

void InstallTerminateHandler() {
  static const bool installed = [] {
    absl::InitializeSymbolizer(nullptr);
    Backtrace warm_up;  // loads the unwinder now, not in a signal handler
    TakeBacktrace(&warm_up);
    previous_handler = std::set_terminate(OnTerminate);
    return true;
  }();
  (void)installed;
}

void WaitForDyingPanic() {
  while (panicking.load()) pause();
}

}  // namespace internal
}  // namespace mpg
