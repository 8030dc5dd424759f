// Reports of goroutines that keep their processor for long: in a loop that makes
// no call, or in a system call that nobody has announced by Syscall. Internal;
// users see RuntimeOptions::stall_report. After Seastar's stall detector.
//
// sysmon notices the stall and signals the thread; the handler there takes the
// stack; sysmon, at one of its next looks, finds the names and prints it all. One
// stack at a time is on its way, through these states:
//
//   kFree --sysmon asks--> kAsked --handler--> kTaking --handler--> kTaken or kOver
//     ^                      |                                         |
//     +---- sysmon: too late +------------- sysmon prints it, or not --+
//
// kOver: the thread was not in that stall, or looked for work. It may be about to
// begin one, so as long as sysmon sees the stall, it asks anew. One that has ended
// is printed if its stack has been taken, else forgotten (Settle).
//
// sysmon owns the rest of StallReporter but in kTaking, when the handler does.
#ifndef MPG_RUNTIME_STALL_H_
#define MPG_RUNTIME_STALL_H_

#include <atomic>
#include <cstdint>

#include "runtime/backtrace.h"

namespace mpg {
namespace internal {

struct G;
struct M;
struct P;

class StallReporter {
 public:
  // A minute sees at most so many reports; the others are counted, and their number
  // is told with the next report or at the end.
  static constexpr int kReportsPerMinute = 5;
  // A thread that does not come to the handler for so long is reported without a
  // stack.
  static constexpr int64_t kPatienceNs = 100'000'000;

  // What sysmon has seen, and still sees if it goes on: see SysmonHost::ProcSample.
  struct Stall {
    P* p = nullptr;
    uint32_t switches = 0;
    uint32_t schedtick = 0;
    uint32_t syscalltick = 0;

    bool operator==(const Stall& o) const {
      return p == o.p && switches == o.switches && schedtick == o.schedtick &&
             syscalltick == o.syscalltick;
    }
    bool GoesOn() const;
  };

  // sysmon: it has gone on for ns. False: call again at the next look.
  bool Report(const Stall& stall, int64_t ns);

  // sysmon, at each look.
  void Settle();

  // When all threads have left.
  void End();

  // In the handler, on m, which has been asked: g was running there. Null: none,
  // m is looking for one; a thread that the system did not let run for long may be.
  void Answer(M* m, const G* g, const void* context);

  // Stalls so far, those included that were not reported; a report is printed before
  // it counts. Any thread.
  uint64_t count() const {
    // acquire: pairs with the release in Count.
    return count_.load(std::memory_order_acquire);
  }

 private:
  enum class State : uint32_t { kFree, kAsked, kTaking, kTaken, kOver };

  bool Ask(const Stall& stall, int64_t ns, int64_t now);
  bool Admit(int64_t now);
  void TellLeftOut(int64_t now);
  bool Withdraw();
  void Count();
  void Print(bool has_stack);

  std::atomic<State> state_{State::kFree};
  std::atomic<uint64_t> count_{0};

  // What is asked for.
  Stall stall_;
  const M* m_ = nullptr;  // that has stall_.p
  int64_t stalled_ns_ = 0;
  int64_t asked_at_ = 0;
  char thread_state_ = '?';  // as /proc has it
  // The answer.
  int64_t goid_ = 0;
  int64_t parent_goid_ = 0;
  const void* gopc_ = nullptr;
  Backtrace trace_;

  int64_t minute_began_ = 0;
  int in_minute_ = 0;  // printed ones: what was over in time takes no place
  int left_out_ = 0;   // of this minute
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_STALL_H_
