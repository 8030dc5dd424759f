#include "runtime/stall.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/panic.h"
#include "runtime/backtrace_of.h"
#include "runtime/dump.h"
#include "runtime/preempt.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {
namespace {

constexpr int64_t kMinuteNs = 60'000'000'000;

// 'R', 'S', 'D', ...: see proc(5); '?': not known. Allocates nothing: the thread
// may be in malloc.
char ThreadStateOf(int tid) {
  char text[512];
  snprintf(text, sizeof text, "/proc/self/task/%d/stat", tid);
  const int fd = open(text, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return '?';
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return '?';
  text[n] = '\0';
  // "tid (name) S ..."; the name may have parentheses of its own.
  const char* end = strrchr(text, ')');
  return end != nullptr && end + 2 < text + n ? end[2] : '?';
}

const char* WhatItDoes(char thread_state) {
  switch (thread_state) {
    case 'R':
      return "its thread is running";
    case 'S':
      return "its thread sleeps in a system call outside of mpg::Syscall";
    case 'D':
      return "its thread waits in the kernel, uninterruptibly";
    case 'T':
    case 't':
      return "its thread is stopped";
    default:
      return "the state of its thread is not known";
  }
}

}  // namespace

bool StallReporter::Stall::GoesOn() const {
  return p->status.load() == PStatus::kRunning &&
         *this == Stall{p, static_cast<uint32_t>(p->switches), p->schedtick,
                        static_cast<uint32_t>(p->syscalltick)};
}

bool StallReporter::Report(const Stall& stall, int64_t ns) {
  const int64_t now = NanoTime();
  // acquire: pairs with the release in Answer.
  const State state = state_.load(std::memory_order_acquire);
  if (state == State::kFree) return Ask(stall, ns, now);
  if (!(stall == stall_)) return false;  // that one's turn
  if (state == State::kTaken) {
    Print(/*has_stack=*/true);
    return true;
  }
  if (state == State::kOver) return Ask(stall, ns, now);
  if (now - asked_at_ > kPatienceNs && Withdraw()) {
    Print(/*has_stack=*/false);
    return true;
  }
  SendStallSignal(m_);  // it may have come at a bad moment
  return false;
}

void StallReporter::Settle() {
  // acquire: pairs with the release in Answer.
  const State state = state_.load(std::memory_order_acquire);
  if (state == State::kFree || stall_.GoesOn()) return;
  if (state == State::kTaken) {
    Print(/*has_stack=*/true);
  } else if (state == State::kOver) {
    state_.store(State::kFree);
  } else {
    Withdraw();  // too short for its thread to answer: told and counted nowhere
  }
}

// False: the handler has begun.
bool StallReporter::Withdraw() {
  State asked = State::kAsked;
  return state_.compare_exchange_strong(asked, State::kFree);
}

void StallReporter::Count() {
  // release: pairs with the acquire in count(): the report has been printed.
  count_.fetch_add(1, std::memory_order_release);
}

void StallReporter::End() {
  Settle();
  TellLeftOut(NanoTime());
}

void StallReporter::TellLeftOut(int64_t now) {
  if (left_out_ == 0) return;
  PrintError(absl::StrCat("mpg: ", left_out_, " more stalls in ",
                          (now - minute_began_) / 1'000'000'000,
                          " s were not reported\n"));
  left_out_ = 0;
}

bool StallReporter::Admit(int64_t now) {
  if (minute_began_ == 0 || now - minute_began_ >= kMinuteNs) {
    TellLeftOut(now);
    minute_began_ = now;
    in_minute_ = 0;
  }
  if (in_minute_ == kReportsPerMinute) {
    ++left_out_;
    return false;
  }
  return true;
}

// True: it is counted, and that is all.
bool StallReporter::Ask(const Stall& stall, int64_t ns, int64_t now) {
  if (!Admit(now)) {
    Count();
    return true;
  }
  // acquire: pairs with the release in BindP.
  const M* const m = stall.p->m.Acquire();
  if (m == nullptr) return false;  // over
  stall_ = stall;
  m_ = m;
  stalled_ns_ = ns;
  asked_at_ = now;
  thread_state_ = ThreadStateOf(m->tid);
  // release: pairs with the acquire in Answer.
  state_.store(State::kAsked, std::memory_order_release);
  SendStallSignal(m);
  return false;
}

void StallReporter::Answer(M* m, const G* g, const void* context) {
  State asked = State::kAsked;
  // acquire: pairs with the release in Ask.
  if (!state_.compare_exchange_strong(asked, State::kTaking,
                                      std::memory_order_acquire)) {
    return;
  }
  const bool same = g != nullptr && m->p.Get() == stall_.p && stall_.GoesOn();
  if (same) {
    goid_ = g->goid;
    parent_goid_ = g->parent_goid;
    gopc_ = g->gopc;
    TakeInterruptedBacktrace(context, &trace_);
  }
  // release: pairs with the acquires in Report and Settle.
  state_.store(same ? State::kTaken : State::kOver, std::memory_order_release);
}

// A report, and room for the next. Only then does it count.
void StallReporter::Print(bool has_stack) {
  ++in_minute_;
  std::string out = absl::StrCat(
      "mpg: P", stall_.p->id, " has been kept by one goroutine for ",
      stalled_ns_ / 1'000'000, " ms; ", WhatItDoes(thread_state_));
  if (has_stack) {
    absl::StrAppend(&out, "\n\ngoroutine ", goid_, " [running]:\n",
                    FormatBacktrace(trace_),
                    FormatCreatedBy(gopc_, parent_goid_), "\n");
  } else {
    absl::StrAppend(&out, "; it takes no signals: no stack\n");
  }
  PrintError(out);
  Count();
  state_.store(State::kFree);
}

}  // namespace internal
}  // namespace mpg
