#include "tools/trace/order.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mpg {
namespace tracetool {
namespace {

State Shown(GoStatus status) {
  switch (status) {
    case GoStatus::kRunnable:
      return State::kRunnable;
    case GoStatus::kRunning:
      return State::kRunning;
    case GoStatus::kSyscall:
      return State::kSyscall;
    case GoStatus::kWaiting:
      return State::kWaiting;
    default:
      return State::kUndetermined;
  }
}

// A processor whose goroutine is in a syscall counts as running.
State Shown(ProcStatus status) {
  switch (status) {
    case ProcStatus::kRunning:
    case ProcStatus::kSyscall:
      return State::kRunning;
    case ProcStatus::kIdle:
    case ProcStatus::kSyscallAbandoned:
      return State::kIdle;
    default:
      return State::kUndetermined;
  }
}

absl::Status Broken(const Event& event, absl::string_view why) {
  return absl::DataLossError(absl::StrCat(
      "broken trace: ", SpecOf(event.type).name, " (thread ", event.m, ", P ",
      event.p, ", goroutine ", event.g, ", time ", event.time, "): ", why));
}

// The type under which a range is known: that of its first event.
uint8_t RangeType(uint8_t type) {
  switch (type) {
    case kEvStwEnd:
      return kEvStwBegin;
    case kEvGcSweepActive:
    case kEvGcSweepEnd:
      return kEvGcSweepBegin;
    case kEvGcMarkAssistActive:
    case kEvGcMarkAssistEnd:
      return kEvGcMarkAssistBegin;
    default:
      return type;
  }
}

int64_t Id(uint64_t arg) { return static_cast<int64_t>(arg); }

}  // namespace

bool Order::Next(Event* event) {
  if (queue_.empty()) return false;
  *event = std::move(queue_.front());
  queue_.pop_front();
  return true;
}

void Order::PushGo(const Event& event, int64_t g, State from, State to) {
  queue_.push_back(event);
  queue_.back().subject = Event::Subject::kGoroutine;
  queue_.back().subject_id = g;
  queue_.back().from = from;
  queue_.back().to = to;
}

void Order::PushProc(const Event& event, int64_t p, State from, State to) {
  queue_.push_back(event);
  queue_.back().subject = Event::Subject::kProc;
  queue_.back().subject_id = p;
  queue_.back().from = from;
  queue_.back().to = to;
}

absl::Status Order::Check(const Step& step, Need p, Need g) const {
  const Event& event = step.event;
  if (event.m < 0) return Broken(event, "it has no thread");
  if (p == Need::kMust && event.p < 0) return Broken(event, "it has no P");
  if (p == Need::kNo && event.p >= 0) return Broken(event, "there is a P");
  if (g == Need::kMust && event.g < 0) {
    return Broken(event, "it has no goroutine");
  }
  if (g == Need::kNo && event.g >= 0) {
    return Broken(event, "there is a goroutine");
  }
  return absl::OkStatus();
}

absl::StatusOr<Order::GState*> Order::Current(const Step& step,
                                              GoStatus status) {
  const auto it = gs_.find(step.event.g);
  if (it == gs_.end()) return Broken(step.event, "no such goroutine");
  if (it->second.status != status) {
    return Broken(step.event, "the goroutine is in another state");
  }
  return &it->second;
}

absl::StatusOr<bool> Order::Advance(const Event& event, int64_t m,
                                    uint64_t generation) {
  if (first_generation_ == 0) first_generation_ = generation;
  Step step{event, generation, {}};
  step.event.m = m;
  if (m >= 0) step.next = ms_[m];
  step.event.p = step.next.p;
  step.event.g = step.next.g;
  Result result = Dispatch(&step);
  if (result.ok() && *result && m >= 0) ms_[m] = step.next;
  return result;
}

Order::Result Order::Dispatch(Step* step) {
  switch (step->event.type) {
    case kEvProcStart:
      return ProcStart(step);
    case kEvProcStop:
      return ProcStop(step);
    case kEvProcSteal:
      return ProcSteal(step);
    case kEvProcStatus:
      return ProcStatusEvent(step);
    case kEvGoCreate:
    case kEvGoCreateBlocked:
      return GoCreate(step);
    case kEvGoCreateSyscall:
      return GoCreateSyscall(step);
    case kEvGoStart:
      return GoStart(step);
    case kEvGoDestroy:
    case kEvGoStop:
    case kEvGoBlock:
      return GoStop(step);
    case kEvGoDestroySyscall:
      return GoDestroySyscall(step);
    case kEvGoUnblock:
      return GoUnblock(step);
    case kEvGoSwitch:
    case kEvGoSwitchDestroy:
      return GoSwitch(step);
    case kEvGoSyscallBegin:
      return SyscallBegin(step);
    case kEvGoSyscallEnd:
      return SyscallEnd(step);
    case kEvGoSyscallEndBlocked:
      return SyscallEndBlocked(step);
    case kEvGoStatus:
    case kEvGoStatusStack:
      return GoStatusEvent(step);
    case kEvGcActive:
      return GcActive(step);
    case kEvGcBegin:
      return GcBegin(step);
    case kEvGcEnd:
      return GcEnd(step);
    case kEvGcSweepActive:
    case kEvGcSweepBegin:
    case kEvGcSweepEnd:
      return SweepEvent(step);
    case kEvStwBegin:
    case kEvStwEnd:
    case kEvGcMarkAssistActive:
    case kEvGcMarkAssistBegin:
    case kEvGcMarkAssistEnd:
      return GoRangeEvent(step);
    case kEvHeapAlloc:
    case kEvHeapGoal:
      return Annotation(step, Need::kMust, Need::kMay);
    case kEvProcsChange:
    case kEvGoLabel:
    case kEvUserLog:
      return Annotation(step, Need::kMust, Need::kMust);
    case kEvUserTaskBegin:
      return TaskBegin(step);
    case kEvUserTaskEnd:
      return TaskEnd(step);
    case kEvUserRegionBegin:
    case kEvUserRegionEnd:
      return Region(step);
    default:
      return Annotation(step, Need::kMay, Need::kMay);  // experiments
  }
}

// ---------------------------------------------------------------- processors

Order::Result Order::ProcStatusEvent(Step* step) {
  Event& event = step->event;
  const int64_t p = Id(event.args[0]);
  if (event.args[1] > static_cast<uint64_t>(ProcStatus::kSyscallAbandoned)) {
    return Broken(event, "no such status of a P");
  }
  const auto status = static_cast<ProcStatus>(event.args[1]);
  State from = Shown(status), to = from;
  // The thread is gone that had the P, but this trace has seen it go into the
  // syscall: nothing is lost, and the event belongs to that thread.
  bool of_its_thread = false;
  const auto it = ps_.find(p);
  if (it == ps_.end()) {
    ps_[p] = {status, {step->generation, 0}, {}};
    from = step->generation == first_generation_ ? State::kUndetermined
                                                 : State::kNotExist;
  } else {
    if (status == ProcStatus::kSyscallAbandoned &&
        it->second.status == ProcStatus::kSyscall) {
      from = to = State::kRunning;
      of_its_thread = true;
    } else if (it->second.status != status) {
      return Broken(event, "the P is in another state");
    }
    it->second.sequence = {step->generation, 0};
  }
  if (status == ProcStatus::kRunning || status == ProcStatus::kSyscall) {
    step->next.p = p;
  }
  if (of_its_thread) {
    const auto owner = std::find_if(
        ms_.begin(), ms_.end(), [p](const std::pair<const int64_t, MState>& m) {
          return m.second.p == p;
        });
    if (owner == ms_.end()) return Broken(event, "no thread has that P");
    event.m = owner->first;
    event.p = p;
    event.g = owner->second.g;
  }
  PushProc(event, p, from, to);
  return true;
}

Order::Result Order::ProcStart(Step* step) {
  const int64_t p = Id(step->event.args[0]);
  const Sequence sequence{step->generation, step->event.args[1]};
  const auto it = ps_.find(p);
  // A thread that still has a P has yet to see that it was stolen.
  if (it == ps_.end() || it->second.status != ProcStatus::kIdle ||
      !it->second.sequence.Precedes(sequence) || step->event.p >= 0) {
    return false;
  }
  const absl::Status status = Check(*step, Need::kNo, Need::kMay);
  if (!status.ok()) return status;
  it->second.status = ProcStatus::kRunning;
  it->second.sequence = sequence;
  step->next.p = p;
  PushProc(step->event, p, State::kIdle, State::kRunning);
  return true;
}

Order::Result Order::ProcStop(Step* step) {
  const absl::Status status = Check(*step, Need::kMust, Need::kMay);
  if (!status.ok()) return status;
  const auto it = ps_.find(step->event.p);
  if (it == ps_.end() || (it->second.status != ProcStatus::kRunning &&
                          it->second.status != ProcStatus::kSyscall)) {
    return Broken(step->event, "the P does not run");
  }
  it->second.status = ProcStatus::kIdle;
  step->next.p = -1;
  PushProc(step->event, step->event.p, State::kRunning, State::kIdle);
  return true;
}

Order::Result Order::ProcSteal(Step* step) {
  const int64_t p = Id(step->event.args[0]);
  const Sequence sequence{step->generation, step->event.args[1]};
  const auto it = ps_.find(p);
  if (it == ps_.end() ||
      (it->second.status != ProcStatus::kSyscall &&
       it->second.status != ProcStatus::kSyscallAbandoned) ||
      !it->second.sequence.Precedes(sequence)) {
    return false;
  }
  const absl::Status status = Check(*step, Need::kMay, Need::kMay);
  if (!status.ok()) return status;
  const bool abandoned = it->second.status == ProcStatus::kSyscallAbandoned;
  it->second.status = ProcStatus::kIdle;
  it->second.sequence = sequence;
  if (abandoned) {
    PushProc(step->event, p, State::kIdle, State::kIdle);
    return true;
  }
  return StealFrom(step, Id(step->event.args[2]));
}

// The thread that loses its P must be in a syscall, and cannot go on before it has
// lost it: that is why its state may be changed from here.
Order::Result Order::StealFrom(Step* step, int64_t victim) {
  const int64_t p = Id(step->event.args[0]);
  MState* state = &step->next;
  if (victim != step->event.m) {
    const auto it = ms_.find(victim);
    if (it == ms_.end()) return Broken(step->event, "no such thread");
    state = &it->second;
  }
  if (state->p != p) return Broken(step->event, "the thread has another P");
  state->p = -1;
  PushProc(step->event, p, State::kRunning, State::kIdle);
  return true;
}

// ---------------------------------------------------------------- goroutines

Order::Result Order::GoStatusEvent(Step* step) {
  Event& event = step->event;
  const int64_t g = Id(event.args[0]);
  if (event.args[2] > static_cast<uint64_t>(GoStatus::kWaiting)) {
    return Broken(event, "no such status of a goroutine");
  }
  const auto status = static_cast<GoStatus>(event.args[2]);
  State from = Shown(status);
  const auto it = gs_.find(g);
  if (it != gs_.end()) {
    if (it->second.status != status) {
      return Broken(event,
                    absl::StrCat("goroutine ", g, " is in another state"));
    }
    it->second.sequence = {step->generation, 0};
  } else if (step->generation == first_generation_) {
    GState& state = gs_[g];
    state.status = status;
    state.sequence = {step->generation, 0};
    from = State::kUndetermined;
  } else {
    return Broken(event, absl::StrCat("goroutine ", g, " was never created"));
  }
  if (status == GoStatus::kRunning) step->next.g = g;
  if (status == GoStatus::kSyscall) {
    const absl::Status bound = BindSyscall(step, Id(event.args[1]));
    if (!bound.ok()) return bound;
  }
  PushGo(event, g, from, Shown(status));
  return true;
}

// A goroutine in a syscall sits on a thread, on this one or on one that has no
// events in the whole generation and so had to be named by another.
absl::Status Order::BindSyscall(Step* step, int64_t victim) {
  Event& event = step->event;
  const int64_t g = Id(event.args[0]);
  if (victim < 0) return Broken(event, "a syscall without a thread");
  if (victim == event.m) {
    if (step->generation != first_generation_ && event.g != g) {
      return Broken(event, "the thread has another goroutine");
    }
    step->next.g = g;
    return absl::OkStatus();
  }
  const auto it = ms_.find(victim);
  if (it == ms_.end()) {
    ms_[victim] = {-1, g};
  } else if (it->second.g != g) {
    return Broken(event, "the thread has another goroutine");
  } else {
    event.g = g;
  }
  event.m = victim;
  return absl::OkStatus();
}

Order::Result Order::GoCreate(Step* step) {
  const Event& event = step->event;
  absl::Status status = Check(*step, Need::kMust, Need::kMay);
  if (status.ok() && gs_.contains(event.g)) {
    status = Current(*step, GoStatus::kRunning).status();
  }
  if (!status.ok()) return status;
  const int64_t g = Id(event.args[0]);
  if (gs_.contains(g)) {
    return Broken(event, absl::StrCat("goroutine ", g, " is there already"));
  }
  GState& state = gs_[g];
  state.status = event.type == kEvGoCreateBlocked ? GoStatus::kWaiting
                                                  : GoStatus::kRunnable;
  state.sequence = {step->generation, 0};
  PushGo(event, g, State::kNotExist, Shown(state.status));
  return true;
}

Order::Result Order::GoCreateSyscall(Step* step) {
  const absl::Status status = Check(*step, Need::kMay, Need::kNo);
  if (!status.ok()) return status;
  const int64_t g = Id(step->event.args[0]);
  if (gs_.contains(g)) {
    return Broken(step->event,
                  absl::StrCat("goroutine ", g, " is there already"));
  }
  GState& state = gs_[g];
  state.status = GoStatus::kSyscall;
  state.sequence = {step->generation, 0};
  step->next.g = g;
  PushGo(step->event, g, State::kNotExist, State::kSyscall);
  return true;
}

// Ends a goroutine that a foreign thread's call had brought. The thread's number may
// be used anew, so its P is parted from it here.
Order::Result Order::GoDestroySyscall(Step* step) {
  const Event& event = step->event;
  absl::Status status = Check(*step, Need::kMay, Need::kMust);
  if (status.ok()) status = Current(*step, GoStatus::kSyscall).status();
  if (!status.ok()) return status;
  if (event.p >= 0) {
    const auto it = ps_.find(event.p);
    if (it == ps_.end() || it->second.status != ProcStatus::kSyscall) {
      return Broken(event, "the P is in another state");
    }
    it->second.status = ProcStatus::kSyscallAbandoned;
    step->next.p = -1;
    Event steal = event;
    steal.type = kEvProcSteal;
    steal.args[0] = static_cast<uint64_t>(event.p);
    PushProc(steal, event.p, State::kRunning, State::kIdle);
  }
  gs_.erase(event.g);
  step->next.g = -1;
  PushGo(event, event.g, State::kSyscall, State::kNotExist);
  return true;
}

Order::Result Order::GoStop(Step* step) {
  const Event& event = step->event;
  const absl::Status status = Check(*step, Need::kMust, Need::kMust);
  if (!status.ok()) return status;
  const absl::StatusOr<GState*> state = Current(*step, GoStatus::kRunning);
  if (!state.ok()) return state.status();
  State to = State::kNotExist;
  if (event.type == kEvGoStop) {
    (*state)->status = GoStatus::kRunnable;
    to = State::kRunnable;
  } else if (event.type == kEvGoBlock) {
    (*state)->status = GoStatus::kWaiting;
    to = State::kWaiting;
  } else {
    gs_.erase(event.g);
  }
  step->next.g = -1;
  PushGo(event, event.g, State::kRunning, to);
  return true;
}

Order::Result Order::GoStart(Step* step) {
  const int64_t g = Id(step->event.args[0]);
  const Sequence sequence{step->generation, step->event.args[1]};
  const auto it = gs_.find(g);
  if (it == gs_.end() || it->second.status != GoStatus::kRunnable ||
      !it->second.sequence.Precedes(sequence)) {
    return false;
  }
  const absl::Status status = Check(*step, Need::kMust, Need::kNo);
  if (!status.ok()) return status;
  it->second.status = GoStatus::kRunning;
  it->second.sequence = sequence;
  step->next.g = g;
  PushGo(step->event, g, State::kRunnable, State::kRunning);
  return true;
}

Order::Result Order::GoUnblock(Step* step) {
  const int64_t g = Id(step->event.args[0]);
  const Sequence sequence{step->generation, step->event.args[1]};
  const auto it = gs_.find(g);
  if (it == gs_.end() || it->second.status != GoStatus::kWaiting ||
      !it->second.sequence.Precedes(sequence)) {
    return false;
  }
  it->second.status = GoStatus::kRunnable;
  it->second.sequence = sequence;
  PushGo(step->event, g, State::kWaiting, State::kRunnable);
  return true;
}

Order::Result Order::GoSwitch(Step* step) {
  const Event& event = step->event;
  const absl::Status status = Check(*step, Need::kMust, Need::kMust);
  if (!status.ok()) return status;
  const absl::StatusOr<GState*> current = Current(*step, GoStatus::kRunning);
  if (!current.ok()) return current.status();
  const int64_t g = Id(event.args[0]);
  const Sequence sequence{step->generation, event.args[1]};
  const auto it = gs_.find(g);
  if (it == gs_.end() || it->second.status != GoStatus::kWaiting ||
      !it->second.sequence.Precedes(sequence)) {
    return false;
  }
  it->second.status = GoStatus::kRunning;
  it->second.sequence = sequence;
  step->next.g = g;
  PushGo(event, g, State::kWaiting, State::kRunnable);
  Event leave = event;
  std::fill(leave.args, leave.args + kMaxArgs, 0);
  if (event.type == kEvGoSwitch) {
    (*current)->status = GoStatus::kWaiting;
    leave.type = kEvGoBlock;
    PushGo(leave, event.g, State::kRunning, State::kWaiting);
  } else {
    gs_.erase(event.g);
    leave.type = kEvGoDestroy;
    PushGo(leave, event.g, State::kRunning, State::kNotExist);
  }
  Event start = event;
  start.type = kEvGoStart;
  start.g = -1;
  PushGo(start, g, State::kRunnable, State::kRunning);
  return true;
}

// ---------------------------------------------------------------- system calls

Order::Result Order::SyscallBegin(Step* step) {
  const Event& event = step->event;
  const absl::Status status = Check(*step, Need::kMust, Need::kMust);
  if (!status.ok()) return status;
  const absl::StatusOr<GState*> state = Current(*step, GoStatus::kRunning);
  if (!state.ok()) return state.status();
  const auto p = ps_.find(event.p);
  // The P's number says which of its syscalls a later steal interrupts. It must be
  // due: this thread has the P.
  const Sequence sequence{step->generation, event.args[0]};
  if (p == ps_.end() || !p->second.sequence.Precedes(sequence)) {
    return Broken(event, "its P's number is out of sequence");
  }
  (*state)->status = GoStatus::kSyscall;
  p->second.status = ProcStatus::kSyscall;
  p->second.sequence = sequence;
  PushGo(event, event.g, State::kRunning, State::kSyscall);
  return true;
}

Order::Result Order::SyscallEnd(Step* step) {
  const Event& event = step->event;
  const absl::Status status = Check(*step, Need::kMust, Need::kMust);
  if (!status.ok()) return status;
  const absl::StatusOr<GState*> state = Current(*step, GoStatus::kSyscall);
  if (!state.ok()) return state.status();
  const auto p = ps_.find(event.p);
  if (p == ps_.end() || p->second.status != ProcStatus::kSyscall) {
    return Broken(event, "the P is in another state");
  }
  (*state)->status = GoStatus::kRunning;
  p->second.status = ProcStatus::kRunning;
  PushGo(event, event.g, State::kSyscall, State::kRunning);
  return true;
}

// The event says that the P was lost, so it waits until that has been seen. The
// thread may have another P by now.
Order::Result Order::SyscallEndBlocked(Step* step) {
  const Event& event = step->event;
  if (event.p >= 0) {
    const auto p = ps_.find(event.p);
    if (p == ps_.end()) return Broken(event, "no such P");
    if (p->second.status == ProcStatus::kSyscall) return false;
  }
  const absl::Status status = Check(*step, Need::kMay, Need::kMust);
  if (!status.ok()) return status;
  const absl::StatusOr<GState*> state = Current(*step, GoStatus::kSyscall);
  if (!state.ok()) return state.status();
  (*state)->status = GoStatus::kRunnable;
  step->next.g = -1;
  PushGo(event, event.g, State::kSyscall, State::kRunnable);
  return true;
}

// ---------------------------------------------------------------- ranges

absl::Status Order::Begin(Ranges* ranges, const Event& event, uint64_t kind) {
  const Range range(RangeType(event.type), kind);
  if (std::find(ranges->begin(), ranges->end(), range) != ranges->end()) {
    return Broken(event, "it is in progress already");
  }
  ranges->push_back(range);
  return absl::OkStatus();
}

absl::Status Order::Active(Ranges* ranges, const Event& event, bool first) {
  if (first) return Begin(ranges, event, 0);
  const Range range(RangeType(event.type), 0);
  if (std::find(ranges->begin(), ranges->end(), range) == ranges->end()) {
    return Broken(event, "it is not in progress");
  }
  return absl::OkStatus();
}

absl::Status Order::End(Ranges* ranges, const Event& event, uint64_t* kind) {
  const uint8_t type = RangeType(event.type);
  const auto it =
      std::find_if(ranges->begin(), ranges->end(),
                   [type](const Range& range) { return range.first == type; });
  if (it == ranges->end()) return Broken(event, "it has not begun");
  *kind = it->second;
  ranges->erase(it);
  return absl::OkStatus();
}

Order::Result Order::SweepEvent(Step* step) {
  const Event& event = step->event;
  const bool active = event.type == kEvGcSweepActive;
  absl::Status status =
      active ? absl::OkStatus() : Check(*step, Need::kMust, Need::kMay);
  if (!status.ok()) return status;
  const auto p = ps_.find(active ? Id(event.args[0]) : event.p);
  if (p == ps_.end()) return Broken(event, "no such P");
  Ranges* const ranges = &p->second.ranges;
  uint64_t kind;
  if (active) {
    status = Active(ranges, event, step->generation == first_generation_);
  } else if (event.type == kEvGcSweepBegin) {
    status = Begin(ranges, event, 0);
  } else {
    status = End(ranges, event, &kind);
  }
  if (!status.ok()) return status;
  Push(event);
  return true;
}

Order::Result Order::GoRangeEvent(Step* step) {
  Event& event = step->event;
  const bool active = event.type == kEvGcMarkAssistActive;
  absl::Status status =
      active ? absl::OkStatus() : Check(*step, Need::kMust, Need::kMust);
  if (!status.ok()) return status;
  const auto g = gs_.find(active ? Id(event.args[0]) : event.g);
  if (g == gs_.end()) return Broken(event, "no such goroutine");
  Ranges* const ranges = &g->second.ranges;
  uint64_t kind = 0;
  if (active) {
    status = Active(ranges, event, step->generation == first_generation_);
  } else if (event.type == RangeType(event.type)) {
    status =
        Begin(ranges, event, event.type == kEvStwBegin ? event.args[0] : 0);
  } else {
    status = End(ranges, event, &kind);
    if (event.type == kEvStwEnd) event.args[0] = kind;
  }
  if (!status.ok()) return status;
  Push(event);
  return true;
}

Order::Result Order::GcActive(Step* step) {
  const Event& event = step->event;
  if (step->generation == first_generation_) {
    if (gc_ != Gc::kUndetermined) {
      return Broken(event, "it is not the first of the collector's events");
    }
  } else {
    if (event.args[0] != gc_sequence_ + 1) return false;
    if (gc_ != Gc::kOn) return Broken(event, "the collector does not run");
    const absl::Status status = Check(*step, Need::kMust, Need::kMust);
    if (!status.ok()) return status;
  }
  gc_sequence_ = event.args[0];
  gc_ = Gc::kOn;
  Push(event);
  return true;
}

Order::Result Order::GcBegin(Step* step) {
  const Event& event = step->event;
  if (gc_ != Gc::kUndetermined) {
    if (event.args[0] != gc_sequence_ + 1) return false;
    if (gc_ == Gc::kOn) return Broken(event, "the collector runs already");
    const absl::Status status = Check(*step, Need::kMust, Need::kMust);
    if (!status.ok()) return status;
  }
  gc_sequence_ = event.args[0];
  gc_ = Gc::kOn;
  Push(event);
  return true;
}

Order::Result Order::GcEnd(Step* step) {
  const Event& event = step->event;
  if (event.args[0] != gc_sequence_ + 1) return false;
  if (gc_ != Gc::kOn) return Broken(event, "the collector does not run");
  const absl::Status status = Check(*step, Need::kMust, Need::kMust);
  if (!status.ok()) return status;
  gc_sequence_ = event.args[0];
  gc_ = Gc::kOff;
  Push(event);
  return true;
}

// ---------------------------------------------------------------- annotations

Order::Result Order::Annotation(Step* step, Need p, Need g) {
  const absl::Status status = Check(*step, p, g);
  if (!status.ok()) return status;
  Push(step->event);
  return true;
}

Order::Result Order::TaskBegin(Step* step) {
  Event& event = step->event;
  const uint64_t id = event.args[0];
  if (tasks_.contains(id)) {
    return Broken(event, absl::StrCat("task ", id, " is there already"));
  }
  // No parent is written as task 0.
  event.parent_task = event.args[1] == 0 ? ~uint64_t{0} : event.args[1];
  event.task_name = std::string(event.tables->String(event.args[2]));
  tasks_[id] = {event.parent_task, event.task_name};
  return Annotation(step, Need::kMust, Need::kMust);
}

// A task may end several times, and may have begun before the trace did.
Order::Result Order::TaskEnd(Step* step) {
  Event& event = step->event;
  const auto it = tasks_.find(event.args[0]);
  if (it != tasks_.end()) {
    event.parent_task = it->second.parent;
    event.task_name = it->second.name;
    tasks_.erase(it);
  }
  return Annotation(step, Need::kMust, Need::kMust);
}

// Regions nest. Those that began before the trace did are not known.
Order::Result Order::Region(Step* step) {
  const Event& event = step->event;
  const absl::Status status = Check(*step, Need::kMust, Need::kMust);
  if (!status.ok()) return status;
  const auto it = gs_.find(event.g);
  if (it == gs_.end()) return Broken(event, "no such goroutine");
  auto* const regions = &it->second.regions;
  std::pair<uint64_t, std::string> region(
      event.args[0], std::string(event.tables->String(event.args[1])));
  if (event.type == kEvUserRegionBegin) {
    regions->push_back(std::move(region));
  } else if (!regions->empty()) {
    if (regions->back() != region) {
      return Broken(event, "another region is to end first");
    }
    regions->pop_back();
  }
  Push(event);
  return true;
}

}  // namespace tracetool
}  // namespace mpg
