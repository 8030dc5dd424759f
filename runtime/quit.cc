#include "runtime/quit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/note.h"
#include "base/panic.h"
#include "runtime/dump.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {
namespace {

constexpr size_t kThreadStack = 1 << 20;
constexpr unsigned kHangSeconds = 10;

// What the handler tells the thread, before `note`.
struct Request {
  uintptr_t pc = 0;
  int64_t m = -1;  // -1: no thread of a Runtime
  int sigcode = 0;
};
Request request;
Note note;
std::atomic<bool> requested{false};
std::atomic<int> threads{0};
std::atomic<bool> writing{false};
pid_t process = 0;  // the one whose thread waits

bool Ignores(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

// A shell without job control starts what goes to the background so. Go respects
// that of SIGHUP and SIGINT only (sigInstallGoHandler, sigqueue.go).
const bool ignored_at_start = [] {
  struct sigaction action;
  return sigaction(SIGQUIT, nullptr, &action) == 0 && Ignores(action);
}();

uintptr_t InterruptedPc(const void* context) {
  const auto* uc = static_cast<const ucontext_t*>(context);
#if defined(__x86_64__)
  return static_cast<uintptr_t>(uc->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<uintptr_t>(uc->uc_mcontext.pc);
#endif
}

void OnQuit(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (getpid() != process) {
    // A child that was forked has no thread to wake.
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  } else if (!requested.exchange(true)) {
    request.pc = InterruptedPc(context);
    request.sigcode = info->si_code;
    if (const M* m = CurrentM()) request.m = m->id;
    note.Wakeup();
  }
  errno = saved_errno;
}

void OnAlarm(int) {
  if (writing.load()) {
    alarm(kHangSeconds);  // somebody reads slowly
    return;
  }
  PrintError("\nruntime: the dump does not get on; giving up\n");
  _exit(2);
}

void StartWatch() {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = OnAlarm;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  alarm(kHangSeconds);
}

void Print(const std::string& text) {
  writing.store(true);
  PrintError(text);
  writing.store(false);
  alarm(kHangSeconds);
}

void* WaitForRequest(void*) {
  note.Sleep();
  threads.store(0);
  StartWatch();
  const std::string m = request.m < 0 ? "nil" : absl::StrCat(request.m);
  Print(absl::StrCat("SIGQUIT: quit\nPC=0x", absl::Hex(request.pc), " m=", m,
                     " sigcode=", request.sigcode, "\n"));
  if (GetTracebackLevel() != TracebackLevel::kNone) {
    FreezeWorlds(kFreezeNs, /*may_start=*/true);
    PrintOthers(nullptr, Print);
    Print("\n");
  }
  ExitAfterTraceback();
}

bool StartThread() {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, kThreadStack);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  threads.store(1);
  const bool started =
      pthread_create(&thread, &attr, WaitForRequest, nullptr) == 0;
  if (!started) threads.store(0);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  pthread_attr_destroy(&attr);
  return started;
}

}  // namespace

void InstallQuitHandler() {
  static std::mutex mu;
  std::lock_guard<std::mutex> guard(mu);
  // Once in a process; again in a child that was forked, where the thread is not.
  if (process == getpid()) return;
  process = getpid();
  GetTracebackLevel();  // not in a process that dies
  struct sigaction current;
  if (sigaction(SIGQUIT, nullptr, &current) != 0) return;
  const bool ours = (current.sa_flags & SA_SIGINFO) != 0
                        ? current.sa_sigaction == OnQuit
                        : current.sa_handler == SIG_DFL ||
                              (ignored_at_start && Ignores(current));
  note.Clear();  // the parent's thread slept on it
  if (!ours || !StartThread()) return;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = OnQuit;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigaction(SIGQUIT, &action, nullptr);
}

int IdleQuitThreads() { return requested.load() ? 0 : threads.load(); }

}  // namespace internal
}  // namespace mpg
