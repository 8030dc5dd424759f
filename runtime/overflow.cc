#include "runtime/overflow.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/panic.h"
#include "runtime/backtrace.h"
#include "runtime/dump.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {
namespace {

// The kernel's frame takes up to 12 KiB with AVX-512 and AMX; the symbolizer
// and the unwinder take most of the rest.
constexpr size_t kSignalStackSize = 128 << 10;

struct sigaction previous_segv;
struct sigaction previous_bus;

[[noreturn]] void ReportOverflow(const G* g) {
  PrintError(absl::StrCat("runtime: goroutine stack exceeds ",
                          g->sched->PoolOf(g)->stack_size(),
                          "-byte limit\nfatal error: stack overflow\n\n"));
  Backtrace trace;
  TakeBacktrace(&trace);
  PrintError(absl::StrCat(FormatHeader(g, "running"), FormatBacktrace(trace),
                          FormatCreatedBy(g)));
  ExitAfterTraceback();
}

void PassOn(int signal, siginfo_t* info, void* context) {
  const struct sigaction& previous =
      signal == SIGSEGV ? previous_segv : previous_bus;
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
    // Returning repeats the faulting instruction, now with the default action.
    sigaction(signal, &previous, nullptr);
  } else {
    previous.sa_handler(signal);
  }
}

void OnFault(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const G* g = CurrentOrCallingG();
  Stack hit;
  if (g != nullptr && g->stack &&
      g->sched->PoolOf(g)->IsGuardHit(info->si_addr, &hit) &&
      hit.hi == g->stack.hi) {
    ReportOverflow(g);
  }
  errno = saved_errno;
  PassOn(signal, info, context);
}

}  // namespace

void InstallOverflowHandler() {
  static const bool installed = [] {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = OnFault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
    return true;
  }();
  (void)installed;
}

SignalStack::SignalStack() {
  memory_ = mmap(nullptr, kSignalStackSize, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory_ == MAP_FAILED) {
    PrintError(absl::StrCat("runtime: cannot map a signal stack: errno=", errno,
                            "\n"));
    FatalError("runtime: out of memory");
  }
  stack_t mine, old;
  memset(&mine, 0, sizeof mine);
  mine.ss_sp = memory_;
  mine.ss_size = kSignalStackSize;
  sigaltstack(&mine, &old);
  old_sp_ = old.ss_sp;
  old_size_ = old.ss_size;
  old_flags_ = old.ss_flags;
}

SignalStack::~SignalStack() {
  stack_t old;
  memset(&old, 0, sizeof old);
  old.ss_sp = old_sp_;
  old.ss_size = old_size_;
  old.ss_flags = old_flags_;
  sigaltstack(&old, nullptr);
  munmap(memory_, kSignalStackSize);
}

}  // namespace internal
}  // namespace mpg
