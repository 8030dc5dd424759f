#include "tools/trace/view.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tools/trace/json.h"

namespace mpg {
namespace tracetool {
namespace {

constexpr int64_t kMaxWidth = 8192;
constexpr int64_t kMaxLanes = 64;
constexpr size_t kMaxGroups = 40;

// ',' between the elements of an array or object.
class Commas {
 public:
  explicit Commas(std::string* out) : out_(out) {}
  void Next() {
    if (!first_) out_->push_back(',');
    first_ = false;
  }

 private:
  std::string* const out_;
  bool first_ = true;
};

std::string NumberOrNull(uint32_t id) {
  return id == kNone ? "null" : absl::StrCat(id);
}

absl::string_view EndName(Slice::End end) {
  switch (end) {
    case Slice::End::kOpen:
      return "open";
    case Slice::End::kBlocked:
      return "blocked";
    case Slice::End::kPreempted:
      return "preempted";
    case Slice::End::kSyscall:
      return "syscall";
    case Slice::End::kReturned:
      return "returned";
    case Slice::End::kStolen:
      return "stolen";
    case Slice::End::kExited:
      return "exited";
  }
  return "?";
}

LaneIndex IndexOf(const std::vector<Span>& spans) {
  LaneIndex lane;
  for (const Span& span : spans) lane.Add(span.start, span.end);
  lane.Finish();
  return lane;
}

void MergeCounts(Counts* into, const Counts& from) {
  into->running = std::max(into->running, from.running);
  into->runnable = std::max(into->runnable, from.runnable);
  into->waiting = std::max(into->waiting, from.waiting);
  into->syscall = std::max(into->syscall, from.syscall);
}

}  // namespace

View::View(const Timeline& timeline) : t_(timeline) {
  lanes_.resize(t_.procs().size());
  for (size_t p = 0; p < lanes_.size(); ++p) {
    for (const uint32_t id : t_.procs()[p]) {
      lanes_[p].Add(t_.slices()[id].start, t_.slices()[id].end);
    }
    lanes_[p].Finish();
  }
  for (const Span& span : t_.spans()) {
    (span.kind == Span::Kind::kStoppedWorld ? stops_ : collections_)
        .push_back(span);
  }
  stops_lane_ = IndexOf(stops_);
  collections_lane_ = IndexOf(collections_);
}

std::string View::Overview() const {
  std::string out = absl::StrCat(
      "{\"version\":", t_.version(), ",\"duration\":", t_.duration(),
      ",\"events\":", t_.events(), ",\"procs\":", lanes_.size(),
      ",\"goroutines\":", t_.goroutines().size(),
      ",\"stretches\":", t_.slices().size(), ",\"stops\":", stops_.size(),
      ",\"collections\":", collections_.size(), ",\"functions\":[");
  std::vector<Group> groups = t_.Groups();
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) {
                     return a.totals.running > b.totals.running;
                   });
  if (groups.size() > kMaxGroups) groups.resize(kMaxGroups);
  Commas commas(&out);
  for (const Group& group : groups) {
    commas.Next();
    absl::StrAppend(&out, "[", group.name, ",",
                    JsonString(t_.String(group.name)), ",", group.goroutines,
                    ",", group.totals.running, "]");
  }
  return out + "]}";
}

std::string View::Window(const WindowQuery& asked) const {
  WindowQuery query = asked;
  const int64_t end = t_.duration() + 1;
  query.from = std::min(std::max<int64_t>(query.from, 0), end - 1);
  query.to = std::min(std::max(query.to, query.from + 1), end);
  const int64_t width = std::min(std::max<int64_t>(query.width, 1), kMaxWidth);
  const int64_t column = (query.to - query.from + width - 1) / width;
  const auto procs = static_cast<int64_t>(lanes_.size());
  query.first_p = std::min(std::max<int64_t>(query.first_p, 0), procs);
  query.last_p =
      std::min({query.last_p, procs - 1, query.first_p + kMaxLanes - 1});

  std::string out = absl::StrCat("{\"from\":", query.from, ",\"to\":", query.to,
                                 ",\"column\":", column,
                                 ",\"first\":", query.first_p, ",\"lanes\":[");
  std::vector<uint32_t> names;
  Commas lanes(&out);
  for (int64_t p = query.first_p; p <= query.last_p; ++p) {
    lanes.Next();
    AppendLane(static_cast<size_t>(p), query, column, &names, &out);
  }
  out += "],\"stopped\":";
  AppendSpans(stops_, stops_lane_, query, column, &out);
  out += ",\"collections\":";
  AppendSpans(collections_, collections_lane_, query, column, &out);
  out += ",\"counts\":";
  AppendCounts(query, column, &out);
  out += ",\"names\":{";
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  Commas commas(&out);
  for (const uint32_t name : names) {
    commas.Next();
    absl::StrAppend(&out, "\"", name, "\":", JsonString(t_.String(name)));
  }
  return out + "}}";
}

void View::AppendLane(size_t p, const WindowQuery& query, int64_t column,
                      std::vector<uint32_t>* names, std::string* out) const {
  out->push_back('[');
  Commas commas(out);
  for (const Cell& cell : lanes_[p].Window(query.from, query.to, column)) {
    const uint32_t id = t_.procs()[p][cell.longest];
    const Slice& slice = t_.slices()[id];
    const Goroutine& g = t_.goroutines()[slice.g];
    names->push_back(g.group);
    commas.Next();
    absl::StrAppend(out, "[", cell.start, ",", cell.end - cell.start, ",", id,
                    ",", g.id, ",", g.group, ",",
                    slice.kind == Slice::Kind::kSyscall ? 1 : 0);
    if (cell.count > 1) absl::StrAppend(out, ",", cell.count, ",", cell.busy);
    out->push_back(']');
  }
  out->push_back(']');
}

void View::AppendSpans(const std::vector<Span>& spans, const LaneIndex& lane,
                       const WindowQuery& query, int64_t column,
                       std::string* out) const {
  out->push_back('[');
  Commas commas(out);
  for (const Cell& cell : lane.Window(query.from, query.to, column)) {
    commas.Next();
    absl::StrAppend(out, "[", cell.start, ",", cell.end - cell.start, ",",
                    JsonString(t_.String(spans[cell.longest].name)), "]");
  }
  out->push_back(']');
}

void View::AppendCounts(const WindowQuery& query, int64_t column,
                        std::string* out) const {
  const std::vector<Counts>& all = t_.counts();
  auto it = std::upper_bound(
      all.begin(), all.end(), query.from,
      [](int64_t time, const Counts& c) { return time < c.time; });
  if (it != all.begin()) --it;  // what was so at the beginning
  out->push_back('[');
  Commas commas(out);
  while (it != all.end() && it->time < query.to) {
    Counts most = *it;
    for (++it; it != all.end() && it->time / column == most.time / column;
         ++it) {
      MergeCounts(&most, *it);
    }
    commas.Next();
    absl::StrAppend(out, "[", most.time, ",", most.running, ",", most.runnable,
                    ",");
    absl::StrAppend(out, most.waiting, ",", most.syscall, "]");
  }
  out->push_back(']');
}

uint32_t View::At(int64_t p, int64_t time) const {
  if (p < 0 || p >= static_cast<int64_t>(lanes_.size())) return kNone;
  const auto lane = static_cast<size_t>(p);
  const size_t size = lanes_[lane].size();
  if (size == 0) return kNone;
  return t_.procs()[lane][std::min(lanes_[lane].At(time), size - 1)];
}

std::string View::Stretch(int64_t id) const {
  if (id < 0 || id >= static_cast<int64_t>(t_.slices().size())) return "";
  const Slice& slice = t_.slices()[static_cast<size_t>(id)];
  const std::vector<uint32_t>& lane = t_.procs()[slice.p];
  const auto at =
      std::lower_bound(lane.begin(), lane.end(), static_cast<uint32_t>(id));
  std::string out = absl::StrCat(
      "{\"stretch\":", id, ",\"p\":", slice.p, ",\"start\":", slice.start,
      ",\"end\":", slice.end,
      ",\"syscall\":", slice.kind == Slice::Kind::kSyscall ? "true" : "false");
  absl::StrAppend(
      &out, ",\"previous\":", NumberOrNull(slice.previous),
      ",\"next\":", NumberOrNull(slice.next),
      ",\"left\":", at == lane.begin() ? "null" : absl::StrCat(*(at - 1)),
      ",\"right\":", at + 1 == lane.end() ? "null" : absl::StrCat(*(at + 1)));
  const Goroutine& g = t_.goroutines()[slice.g];
  out += ",\"goroutine\":";
  AppendGoroutine(slice.g, &out);
  absl::StrAppend(&out, ",\"created\":", g.created, ",\"ended\":", g.ended,
                  ",\"execution\":", g.totals.running,
                  ",\"sched_wait\":", g.totals.runnable,
                  ",\"blocked\":", g.totals.waiting);
  absl::StrAppend(&out, ",\"in_syscalls\":", g.totals.syscall, ",\"creator\":");
  AppendGoroutine(g.creator, &out);
  AppendWait(slice, &out);
  out += ",\"end_of_it\":";
  AppendEnd(slice, &out);
  return out + "}";
}

// Or null. "at": a stretch of it.
void View::AppendGoroutine(uint32_t g, std::string* out) const {
  if (g == kNone) {
    *out += "null";
    return;
  }
  const Goroutine& goroutine = t_.goroutines()[g];
  absl::StrAppend(out, "{\"id\":", goroutine.id,
                  ",\"function\":", JsonString(t_.NameOf(goroutine)),
                  ",\"at\":", NumberOrNull(goroutine.first), "}");
}

void View::AppendStack(uint32_t stack, std::string* out) const {
  out->push_back('[');
  Commas commas(out);
  if (stack != kNone) {
    for (const StackFrame& frame : t_.Stack(stack)) {
      commas.Next();
      absl::StrAppend(out, "[", JsonString(t_.String(frame.function)), ",",
                      JsonString(t_.String(frame.place)), "]");
    }
  }
  out->push_back(']');
}

void View::AppendEnd(const Slice& slice, std::string* out) const {
  absl::StrAppend(
      out, "{\"how\":\"", EndName(slice.end_kind), "\",\"reason\":",
      JsonString(slice.reason == kNone ? "" : t_.String(slice.reason)),
      ",\"stack\":");
  AppendStack(slice.stack, out);
  out->push_back('}');
}

// What came before the stretch: how the one before ended, how long the goroutine
// waited for what, who made it runnable, how long it then waited for a P.
void View::AppendWait(const Slice& slice, std::string* out) const {
  absl::StrAppend(
      out, ",\"ready\":", slice.ready < 0 ? "null" : absl::StrCat(slice.ready),
      ",\"before\":");
  if (slice.previous == kNone) {
    *out += "null";
  } else {
    const Slice& before = t_.slices()[slice.previous];
    absl::StrAppend(out, "{\"end\":", before.end, ",\"end_of_it\":");
    AppendEnd(before, out);
    out->push_back('}');
  }
  *out += ",\"waker\":";
  AppendGoroutine(slice.waker, out);
  // A goroutine that switched to another stopped running at that very time.
  uint32_t at = At(slice.waker_p, slice.ready - 1);
  if (at != kNone && t_.slices()[at].g != slice.waker) at = kNone;
  absl::StrAppend(out, ",\"waker_p\":", NumberOrNull(slice.waker_p),
                  ",\"waker_at\":", NumberOrNull(at), ",\"wake_stack\":");
  AppendStack(slice.wake_stack, out);
}

std::vector<bool> View::Matching(absl::string_view text, size_t* count) const {
  absl::string_view digits = text;
  if (!absl::ConsumePrefix(&digits, "G")) absl::ConsumePrefix(&digits, "g");
  int64_t id = 0;
  const bool number = absl::SimpleAtoi(digits, &id);
  const std::string part = absl::AsciiStrToLower(text);
  absl::flat_hash_map<uint32_t, bool> named;
  std::vector<bool> result(t_.goroutines().size());
  *count = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    const Goroutine& g = t_.goroutines()[i];
    if (number) {
      result[i] = g.id == id;
    } else {
      const auto group = named.try_emplace(g.group);
      if (group.second) {
        group.first->second =
            absl::StrContains(absl::AsciiStrToLower(t_.String(g.group)), part);
      }
      result[i] = group.first->second;
    }
    *count += result[i] ? 1 : 0;
  }
  return result;
}

std::string View::Search(absl::string_view text, int64_t from,
                         bool forward) const {
  text = absl::StripAsciiWhitespace(text);
  size_t count = 0;
  const std::vector<Slice>& slices = t_.slices();
  const auto size = static_cast<int64_t>(slices.size());
  std::string found = "null";
  const std::vector<bool> matches = Matching(text, &count);
  int64_t i = from < 0 || from >= size ? (forward ? size - 1 : 0) : from;
  for (int64_t n = 0; count > 0 && n < size; ++n) {
    i = (i + (forward ? 1 : size - 1)) % size;
    if (!matches[slices[static_cast<size_t>(i)].g]) continue;
    found = absl::StrCat(i);
    break;
  }
  return absl::StrCat("{\"stretch\":", found, ",\"goroutines\":", count, "}");
}

}  // namespace tracetool
}  // namespace mpg
