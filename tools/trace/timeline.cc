#include "tools/trace/timeline.h"

#include <algorithm>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/numeric/bits.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/trace/function_name.h"

namespace mpg {
namespace tracetool {
namespace {

constexpr size_t kMaxCounts = 1 << 16;
// Processors are counted up from 0; a damaged file may claim any number.
constexpr int64_t kMaxProcs = 1 << 16;

uint64_t Pair(uint32_t a, uint32_t b) { return uint64_t{a} << 32 | b; }

int BucketOf(int64_t ns) {
  return std::min<int>(static_cast<int>(std::tuple_size<Histogram>::value) - 1,
                       absl::bit_width(static_cast<uint64_t>(ns)));
}

}  // namespace

uint32_t Interner::Intern(absl::string_view text) {
  const auto it = ids_.find(text);
  if (it != ids_.end()) return it->second;
  const auto id = static_cast<uint32_t>(texts_.size());
  texts_.emplace_back(text);
  ids_.emplace(texts_.back(), id);
  return id;
}

Timeline::Timeline() { strings_.Intern("?"); }

absl::Status Timeline::Load(TraceReader* reader,
                            absl::FunctionRef<bool(uint64_t)> progress) {
  Event event;
  absl::Status status;
  while (true) {
    const absl::StatusOr<bool> more = reader->Next(&event);
    if (!more.ok()) status = more.status();
    if (!more.ok() || !*more) break;
    if ((++events_ & 0xffff) == 0 && !progress(reader->bytes_done())) {
      status = absl::CancelledError("stopped while loading");
      break;
    }
    Add(event);
  }
  version_ = reader->version();
  Finish();
  return status;
}

void Timeline::Add(const Event& event) {
  if (event.type == kEvSync) {
    stack_cache_.clear();  // the next generation has other numbers
    return;
  }
  if (first_time_ < 0) first_time_ = event.time;
  const int64_t now = event.time - first_time_;
  duration_ = now;
  const auto current = by_id_.find(event.g);
  if (current != by_id_.end() && goroutines_[current->second].group == 0) {
    NameGroup(current->second, InternStack(event, event.stack()));
  }
  if (event.subject == Event::Subject::kGoroutine) {
    AddGoTransition(event, now);
  } else if (event.subject == Event::Subject::kProc) {
    AddProcTransition(event, now);
  } else {
    AddRange(event, now);
    AddMark(event, now);
  }
}

uint32_t Timeline::InternStack(const Event& event, uint64_t stack) {
  if (stack == 0) return kNone;
  const auto cached = stack_cache_.find(stack);
  if (cached != stack_cache_.end()) return cached->second;
  std::vector<StackFrame> frames;
  for (const Frame& frame : event.tables->Stack(stack)) {
    const uint32_t function = strings_.Intern(
        ShortFunctionName(event.tables->String(frame.function)));
    const uint32_t place = strings_.Intern(
        absl::StrCat(event.tables->String(frame.file), ":", frame.line));
    frames.push_back({function, place});
  }
  if (frames.empty()) return kNone;
  const auto id = static_cast<uint32_t>(stacks_.size());
  const auto inserted = stack_ids_.emplace(frames, id);
  if (inserted.second) stacks_.push_back(std::move(frames));
  stack_cache_[stack] = inserted.first->second;
  return inserted.first->second;
}

// The goroutine of the event, which may be new.
uint32_t Timeline::Enter(const Event& event, int64_t now) {
  const bool created = event.from == State::kNotExist;
  const auto found = by_id_.find(event.subject_id);
  if (found != by_id_.end() && !created) return found->second;
  const auto g = static_cast<uint32_t>(goroutines_.size());
  goroutines_.emplace_back();
  live_.emplace_back();
  Goroutine& goroutine = goroutines_.back();
  goroutine.id = event.subject_id;
  live_.back().since = now;
  if (created) {
    goroutine.created = now;
    const auto creator = by_id_.find(event.g);
    if (creator != by_id_.end()) goroutine.creator = creator->second;
  }
  by_id_[event.subject_id] = g;
  return g;
}

void Timeline::NameGroup(uint32_t g, uint32_t stack) {
  if (stack == kNone || goroutines_[g].group != 0) return;
  goroutines_[g].group = stacks_[stack].back().function;
}

void Timeline::Count(State state, int delta) {
  in_state_[static_cast<size_t>(state)] += static_cast<uint32_t>(delta);
}

// Adds the time since the last change to the state that lasted so long.
void Timeline::Account(uint32_t g, int64_t now) {
  Live& live = live_[g];
  Goroutine& goroutine = goroutines_[g];
  const int64_t spent = now - live.since;
  live.since = now;
  switch (live.state) {
    case State::kRunning:
      goroutine.totals.running += spent;
      break;
    case State::kRunnable:
      goroutine.totals.runnable += spent;
      break;
    case State::kSyscall:
      goroutine.totals.syscall += spent;
      break;
    case State::kWaiting: {
      goroutine.totals.waiting += spent;
      auto& times = blocked_[Pair(g, live.reason)];
      ++times.first;
      times.second += spent;
      break;
    }
    default:
      break;
  }
}

void Timeline::OpenSlice(uint32_t g, int64_t p, int64_t now, Slice::Kind kind) {
  if (p < 0 || p >= kMaxProcs) return;
  if (procs_.size() <= static_cast<size_t>(p)) procs_.resize(p + 1);
  Live& live = live_[g];
  Slice slice;
  slice.start = now;
  slice.end = now;
  slice.g = g;
  slice.p = static_cast<uint32_t>(p);
  slice.kind = kind;
  slice.ready = std::exchange(live.ready, -1);
  slice.waker = std::exchange(live.waker, kNone);
  slice.waker_p = std::exchange(live.waker_p, kNone);
  slice.wake_stack = std::exchange(live.wake_stack, kNone);
  slice.previous = goroutines_[g].last;
  const auto id = static_cast<uint32_t>(slices_.size());
  if (slice.previous != kNone) slices_[slice.previous].next = id;
  if (goroutines_[g].first == kNone) goroutines_[g].first = id;
  goroutines_[g].last = id;
  live.open = id;
  if (kind == Slice::Kind::kSyscall) syscall_on_[p] = g;
  if (slice.ready >= 0) ++latencies_[BucketOf(now - slice.ready)];
  slices_.push_back(slice);
  procs_[p].push_back(id);
}

void Timeline::CloseSlice(uint32_t g, int64_t now, Slice::End how,
                          const Event* event) {
  Live& live = live_[g];
  if (live.open == kNone) return;
  Slice& slice = slices_[live.open];
  slice.end = now;
  slice.end_kind = how;
  if (slice.kind == Slice::Kind::kSyscall) syscall_on_.erase(slice.p);
  live.open = kNone;
  if (event == nullptr) return;
  slice.stack = InternStack(*event, event->stack());
  slice.reason = live.reason;
}

void Timeline::MakeReady(const Event& event, uint32_t g, int64_t now) {
  Live& live = live_[g];
  live.ready = now;
  if (event.type != kEvGoUnblock && event.type != kEvGoCreate &&
      event.type != kEvGoSwitch && event.type != kEvGoSwitchDestroy) {
    return;
  }
  const auto waker = by_id_.find(event.g);
  live.waker = waker == by_id_.end() ? kNone : waker->second;
  live.waker_p = event.p < 0 || event.p >= kMaxProcs
                     ? kNone
                     : static_cast<uint32_t>(event.p);
  live.wake_stack = InternStack(event, event.stack());
}

void Timeline::AddGoTransition(const Event& event, int64_t now) {
  const uint32_t g = Enter(event, now);
  if (event.type == kEvGoCreate || event.type == kEvGoCreateBlocked) {
    NameGroup(g, InternStack(event, event.args[1]));
  } else if (event.type == kEvGoStatusStack) {
    NameGroup(g, InternStack(event, event.stack()));
  }
  if (event.from == event.to) return;  // said again for a new generation
  Account(g, now);
  if (event.from != State::kNotExist && event.from != State::kUndetermined) {
    Count(live_[g].state, -1);
  }
  live_[g].state = event.to;
  if (event.to != State::kNotExist) Count(event.to, 1);
  Became(event, g, now);
  Sample(now);
}

void Timeline::Became(const Event& event, uint32_t g, int64_t now) {
  Live& live = live_[g];
  const bool reason = event.type == kEvGoBlock || event.type == kEvGoStop;
  live.reason =
      reason ? strings_.Intern(event.tables->String(event.args[0])) : kNone;
  switch (event.to) {
    case State::kRunning:
      CloseSlice(g, now, Slice::End::kReturned, nullptr);
      OpenSlice(g, event.p, now, Slice::Kind::kRunning);
      break;
    case State::kSyscall:
      CloseSlice(g, now, Slice::End::kSyscall, &event);
      OpenSlice(g, event.p, now, Slice::Kind::kSyscall);
      break;
    case State::kRunnable:
      CloseSlice(g, now,
                 event.from == State::kSyscall ? Slice::End::kStolen
                                               : Slice::End::kPreempted,
                 &event);
      MakeReady(event, g, now);
      break;
    case State::kWaiting:
      CloseSlice(g, now, Slice::End::kBlocked, &event);
      break;
    default:
      CloseSlice(g, now, Slice::End::kExited, nullptr);
      goroutines_[g].ended = now;  // still to be found by its number
  }
}

void Timeline::AddProcTransition(const Event& event, int64_t now) {
  if (event.to != State::kIdle) return;
  const auto in_syscall = syscall_on_.find(event.subject_id);
  if (in_syscall == syscall_on_.end()) return;
  CloseSlice(in_syscall->second, now, Slice::End::kStolen, nullptr);
}

void Timeline::AddRange(const Event& event, int64_t now) {
  std::string name;
  uint64_t key = 0;
  bool begins = false;
  auto kind = Span::Kind::kCollection;
  switch (event.type) {
    case kEvStwBegin:
      begins = true;
      kind = Span::Kind::kStoppedWorld;
      name =
          absl::StrCat("stop the world: ", event.tables->String(event.args[0]));
      ABSL_FALLTHROUGH_INTENDED;
    case kEvStwEnd:
      key = static_cast<uint64_t>(event.g) + 1;
      break;
    case kEvGcActive:
    case kEvGcBegin:
      begins = true;
      name = "collection";
      break;
    case kEvGcEnd:
      break;
    default:
      return;
  }
  if (begins) {
    open_spans_.emplace(key, Span{now, now, strings_.Intern(name), kind});
    return;
  }
  const auto it = open_spans_.find(key);
  if (it == open_spans_.end()) return;
  it->second.end = now;
  spans_.push_back(it->second);
  open_spans_.erase(it);
}

void Timeline::AddMark(const Event& event, int64_t now) {
  Mark mark{now, kNone, kNone, 0, 0};
  std::string text;
  switch (event.type) {
    case kEvUserLog:
      mark.kind = 'l';
      text = absl::StrCat(event.tables->String(event.args[1]), ": ",
                          event.tables->String(event.args[2]));
      break;
    case kEvUserRegionBegin:
    case kEvUserRegionEnd:
      mark.kind = event.type == kEvUserRegionBegin ? '(' : ')';
      text = std::string(event.tables->String(event.args[1]));
      break;
    case kEvUserTaskBegin:
    case kEvUserTaskEnd:
      mark.kind = event.type == kEvUserTaskBegin ? '[' : ']';
      text = event.task_name;
      break;
    default:
      return;
  }
  const auto g = by_id_.find(event.g);
  if (g != by_id_.end()) mark.g = g->second;
  if (event.p >= 0 && event.p < kMaxProcs)
    mark.p = static_cast<uint32_t>(event.p);
  mark.text = strings_.Intern(text);
  marks_.push_back(mark);
}

// Keeps the number of samples bounded: when there are too many, neighbours are
// merged, and from then on a sample stands for twice the time.
void Timeline::Sample(int64_t now) {
  const Counts counts{now, in_state_[static_cast<size_t>(State::kRunning)],
                      in_state_[static_cast<size_t>(State::kRunnable)],
                      in_state_[static_cast<size_t>(State::kWaiting)],
                      in_state_[static_cast<size_t>(State::kSyscall)]};
  const auto merge = [](Counts* into, const Counts& from) {
    into->running = std::max(into->running, from.running);
    into->runnable = std::max(into->runnable, from.runnable);
    into->waiting = std::max(into->waiting, from.waiting);
    into->syscall = std::max(into->syscall, from.syscall);
  };
  if (!counts_.empty() && now < counts_.back().time + counts_width_) {
    merge(&counts_.back(), counts);
    return;
  }
  counts_.push_back(counts);
  while (counts_.size() >= kMaxCounts) {
    counts_width_ *= 2;
    size_t kept = 0;
    for (size_t i = 1; i < counts_.size(); ++i) {
      if (counts_[i].time < counts_[kept].time + counts_width_) {
        merge(&counts_[kept], counts_[i]);
      } else {
        counts_[++kept] = counts_[i];
      }
    }
    counts_.resize(kept + 1);
  }
}

void Timeline::Finish() {
  for (uint32_t g = 0; g < goroutines_.size(); ++g) {
    Account(g, duration_);
    if (live_[g].open != kNone) slices_[live_[g].open].end = duration_;
  }
  for (const auto& open : open_spans_) {
    spans_.push_back(open.second);
    spans_.back().end = duration_;
  }
  std::sort(spans_.begin(), spans_.end(),
            [](const Span& a, const Span& b) { return a.start < b.start; });
  live_.clear();
  live_.shrink_to_fit();
}

uint32_t Timeline::Find(int64_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? kNone : it->second;
}

std::string Timeline::FrameText(const StackFrame& frame) const {
  return absl::StrCat(strings_[frame.function], " ", strings_[frame.place]);
}

const std::string& Timeline::NameOf(const Goroutine& g) const {
  return strings_[g.group];
}

std::vector<Group> Timeline::Groups() const {
  std::map<uint32_t, Group> groups;
  for (const Goroutine& g : goroutines_) {
    Group& group = groups[g.group];
    group.name = g.group;
    ++group.goroutines;
    group.totals.running += g.totals.running;
    group.totals.runnable += g.totals.runnable;
    group.totals.waiting += g.totals.waiting;
    group.totals.syscall += g.totals.syscall;
  }
  for (const auto& entry : blocked_) {
    const auto g = static_cast<uint32_t>(entry.first >> 32);
    auto& times = groups[goroutines_[g].group]
                      .blocked[static_cast<uint32_t>(entry.first)];
    times.first += entry.second.first;
    times.second += entry.second.second;
  }
  std::vector<Group> result;
  result.reserve(groups.size());
  for (auto& entry : groups) result.push_back(std::move(entry.second));
  return result;
}

std::string DurationText(int64_t ns) {
  if (ns < 1000) return absl::StrCat(ns, "ns");
  static constexpr const char* kUnits[] = {"us", "ms", "s"};
  double value = static_cast<double>(ns) / 1e3;
  int unit = 0;
  for (; value >= 999.5 && unit < 2; ++unit) value /= 1e3;
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return absl::StrFormat("%.*f%s", digits, value, kUnits[unit]);
}

}  // namespace tracetool
}  // namespace mpg
