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

bool StallReporter::Report(P* p, int64_t ns) {
  const int64_t now = NanoTime();
  Finish(now);
  const bool known = p == p_ && p->schedtick == tick_;
  if (state_.load() != State::kFree) {
    if (known) SendStallSignal(m_);  // it may have come at a bad moment
    return false;
  }
  if (known) return true;  // Finish has seen to it
  if (Admit(now)) {
    Ask(p, ns, now);
    return false;
  }
  Count();
  return true;
}

void StallReporter::Count() {
  // release: pairs with the acquire in count(): the report has been printed.
  count_.fetch_add(1, std::memory_order_release);
}

bool StallReporter::Admit(int64_t now) {
  if (minute_began_ == 0 || now - minute_began_ >= kMinuteNs) {
    if (left_out_ > 0) {
      PrintError(absl::StrCat("mpg: ", left_out_, " more stalls in ",
                              (now - minute_began_) / 1'000'000'000,
                              " s were not reported\n"));
    }
    minute_began_ = now;
    in_minute_ = left_out_ = 0;
  }
  if (in_minute_ == kReportsPerMinute) {
    ++left_out_;
    return false;
  }
  return true;
}

void StallReporter::Ask(P* p, int64_t ns, int64_t now) {
  p_ = nullptr;
  tick_ = p->schedtick;
  stalled_ns_ = ns;
  asked_at_ = now;
  goid_ = 0;
  // acquire: pairs with the release in AcquireP, for p->m.
  const bool running =
      p->status.load(std::memory_order_acquire) == PStatus::kRunning;
  const M* m = nullptr;
  if (running) m = p->m;
  if (m == nullptr) return;  // over; state_ stays kFree
  p_ = p;
  m_ = m;
  thread_state_ = ThreadStateOf(m->tid);
  // release: pairs with the acquire in Answer.
  state_.store(State::kAsked, std::memory_order_release);
  SendStallSignal(m);
}

void StallReporter::Answer(M* m, const G* g, const void* context) {
  State asked = State::kAsked;
  // acquire: pairs with the release in Ask.
  if (!state_.compare_exchange_strong(asked, State::kTaking,
                                      std::memory_order_acquire)) {
    return;
  }
  const P* p = m->p;
  const bool same = g != nullptr && p == p_ && p->schedtick == tick_;
  if (same) {
    goid_ = g->goid;
    parent_goid_ = g->parent_goid;
    gopc_ = g->gopc;
    TakeInterruptedBacktrace(context, &trace_);
  }
  // release: pairs with the acquire in Finish.
  state_.store(same ? State::kTaken : State::kOver, std::memory_order_release);
}

// Also what nobody will answer.
void StallReporter::Finish(int64_t now) {
  // acquire: pairs with the release in Answer.
  State state = state_.load(std::memory_order_acquire);
  if (state == State::kTaken) {
    Print(/*has_stack=*/true);
    Count();
    state_.store(State::kFree);
  } else if (state == State::kOver) {
    p_ = nullptr;  // it may have begun just now, by the same tick: ask again
    state_.store(State::kFree);
  } else if (state == State::kAsked && now - asked_at_ > kPatienceNs &&
             state_.compare_exchange_strong(state, State::kFree)) {
    Print(/*has_stack=*/false);
    Count();
  }
}

void StallReporter::Print(bool has_stack) {
  ++in_minute_;
  std::string out =
      absl::StrCat("mpg: P", p_->id, " has been kept by one goroutine for ",
                   stalled_ns_ / 1'000'000, " ms; ", WhatItDoes(thread_state_));
  if (!has_stack) {
    PrintError(absl::StrCat(out, "; it takes no signals: no stack\n"));
    return;
  }
  PrintError(absl::StrCat(out, "\n\ngoroutine ", goid_, " [running]:\n",
                          FormatBacktrace(trace_),
                          FormatCreatedBy(gopc_, parent_goid_), "\n"));
}

}  // namespace internal
}  // namespace mpg
