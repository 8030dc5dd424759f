#include "runtime/goroutine.h"

#include "base/panic.h"
#include "runtime/options.h"
#include "runtime/sched.h"
#include "runtime/unwind.h"

namespace mpg {
namespace internal {

G* CurrentGOrPanic() {
  CurrentSchedOrPanic();
  if (G* g = CurrentG()) return g;
  throw Panic("mpg: called within Syscall, where the thread is a plain one");
}

GExtra* ExtraOf(G* g) {
  if (g->extra == nullptr) g->extra = new GExtra;
  return g->extra;
}

}  // namespace internal

void Gosched() {
  Waiter* w = ThisThread()->current;
  if (ABSL_PREDICT_FALSE(w == nullptr || w->ops != &internal::kGoroutineOps)) {
    w = internal::CurrentGOrPanic();
  }
  internal::Yield(static_cast<internal::G*>(w));
}

void Goexit() { internal::UnwindGoroutine(internal::CurrentGOrPanic()); }

int64_t Goid() {
  internal::G* g = internal::CurrentG();
  return g == nullptr ? 0 : g->goid;
}

int NumGoroutine() {
  return static_cast<int>(internal::CurrentSchedOrPanic()->LiveGoroutines());
}

int NumCPU() { return CpusGranted(); }

int SetMaxThreads(int n) {
  internal::Sched* s = internal::CurrentSchedOrPanic();
  const int old = s->max_threads.exchange(n);
  s->CheckThreadCount(s->nthreads.load());
  return old;
}

}  // namespace mpg
