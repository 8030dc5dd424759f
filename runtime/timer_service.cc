#include "runtime/timer_service.h"

#include <signal.h>
#include <sys/prctl.h>

#include <atomic>
#include <thread>

#include "base/clock.h"
#include "base/note.h"
#include "timer/timekeeper.h"

namespace mpg {
namespace internal {
namespace {

class Service final : public TimerHost {
 public:
  Service() {
    heap_.SetHost(this);
    // Signals are for the program's own threads.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    std::thread([this] { Run(); }).detach();
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  }

  TimerHeap* heap() { return &heap_; }

  void Added(int64_t when) {
    if (keeper_.WakeFor(when)) return;
    // It sleeps without a time, or is about to look.
    if (asleep_.exchange(false)) note_.Wakeup();
  }

  void Compact() {
    if (heap_.Stopped() != 0) heap_.Compact();
    if (IsEmpty()) keeper_.WakeFor(0);
  }

  bool Idle() const { return asleep_.load() && IsEmpty(); }

  // TimerHost. The service lives for ever.
  void Hold() override {}
  void Earlier(int64_t when) override { Added(when); }

 private:
  bool IsEmpty() const { return heap_.NextWhen() == TimerHeap::kNever; }

  void Run() {
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    for (;;) {
      if (keeper_.Keep([this] { return heap_.NextWhen(); },
                       [] { return false; })) {
        heap_.Run(NanoTime());
        continue;
      }
      // seq_cst: who adds a timer looks at asleep_ after that.
      asleep_.store(true);
      if (IsEmpty() || !asleep_.exchange(false)) {
        note_.Sleep();
        note_.Clear();
      }
    }
  }

  TimerHeap heap_;
  Timekeeper keeper_;
  std::atomic<bool> asleep_{false};  // who clears it signals note_
  Note note_;
};

std::atomic<Service*> service{nullptr};

Service* TheService() {
  static Service* const s = [] {
    auto* made = new Service;
    service.store(made);
    return made;
  }();
  return s;
}

}  // namespace

TimerHeap* ServiceTimers() { return TheService()->heap(); }

void ServiceTimerAdded(int64_t when) { TheService()->Added(when); }

void CompactServiceTimers() {
  if (Service* s = service.load()) s->Compact();
}

int IdleServiceThreads() {
  const Service* s = service.load();
  return s != nullptr && s->Idle() ? 1 : 0;
}

}  // namespace internal
}  // namespace mpg
