// Timeline: what a trace says about goroutines, arranged for looking at: for each P
// what ran on it and when, for each goroutine what it did with its time, why it
// waited and who woke it.
//
// Takes about 70 bytes for each stretch that a goroutine ran, 100 for each goroutine.
//
// Thread safety: none while loading; after that, any number of readers.
#ifndef MPG_TOOLS_TRACE_TIMELINE_H_
#define MPG_TOOLS_TRACE_TIMELINE_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/trace/reader.h"

namespace mpg {
namespace tracetool {

constexpr uint32_t kNone = ~uint32_t{0};

// Numbers for texts.
class Interner {
 public:
  uint32_t Intern(absl::string_view text);
  const std::string& operator[](uint32_t id) const { return texts_[id]; }
  size_t size() const { return texts_.size(); }

 private:
  absl::flat_hash_map<std::string, uint32_t> ids_;
  std::vector<std::string> texts_;
};

// Both are strings.
struct StackFrame {
  uint32_t function;  // shortened
  uint32_t place;     // file:line

  friend bool operator==(const StackFrame& a, const StackFrame& b) {
    return a.function == b.function && a.place == b.place;
  }
  template <typename H>
  friend H AbslHashValue(H h, const StackFrame& frame) {
    return H::combine(std::move(h), frame.function, frame.place);
  }
};

// A stretch of time in which one goroutine had one P.
struct Slice {
  enum class Kind : uint8_t { kRunning, kSyscall };
  enum class End : uint8_t {
    kOpen,       // still so when the trace ends
    kBlocked,    // reason: on what
    kPreempted,  // gave way, or had to; reason
    kSyscall,    // went into a system call
    kReturned,   // came back from a system call with its P
    kStolen,     // lost the P in a system call
    kExited,
  };
  int64_t start = 0, end = 0;
  // When the goroutine became runnable before this; -1: unknown, or it had the P.
  int64_t ready = -1;
  uint32_t g = kNone;
  uint32_t p = 0;
  // The goroutine that readied it, where, and its stack; kNone: none, or unknown.
  uint32_t waker = kNone;
  uint32_t waker_p = kNone;
  uint32_t wake_stack = kNone;
  uint32_t previous = kNone;  // the goroutine's slice before this
  uint32_t next = kNone;      // and after this
  uint32_t reason = kNone;    // why it ended: a string
  uint32_t stack = kNone;     // where it was then
  Kind kind = Kind::kRunning;
  End end_kind = End::kOpen;
};

struct Totals {
  int64_t running = 0, runnable = 0, waiting = 0, syscall = 0;  // ns
};

struct Goroutine {
  int64_t id = 0;
  uint32_t group = 0;  // the start function: a string; 0: unknown
  uint32_t creator = kNone;
  int64_t created = -1, ended = -1;      // -1: not in this trace
  uint32_t first = kNone, last = kNone;  // slices
  Totals totals;
};

struct Group {
  uint32_t name = 0;
  uint64_t goroutines = 0;
  Totals totals;
  std::map<uint32_t, std::pair<uint64_t, int64_t>>
      blocked;  // reason: times, ns
};

struct Span {
  enum class Kind : uint8_t { kStoppedWorld, kCollection };
  int64_t start, end;
  uint32_t name;
  Kind kind;
};

// A log line, or the beginning or end of a region or task.
struct Mark {
  int64_t time;
  uint32_t g, p;
  uint32_t text;
  char kind;  // 'l' log, '(' ')' region, '[' ']' task
};

// How many goroutines were in which state, at most, from this time on.
struct Counts {
  int64_t time;
  uint32_t running, runnable, waiting, syscall;
};

// Buckets of powers of two: bucket i counts what took less than 2^i ns, and no less
// than half of that.
using Histogram = std::array<uint64_t, 48>;

class Timeline {
 public:
  Timeline();
  // Reads all events. An error of the reader is returned; what came before it stands.
  // `progress` is called now and then, with the number of bytes done; false: stop
  // (kCancelled).
  absl::Status Load(TraceReader* reader,
                    absl::FunctionRef<bool(uint64_t)> progress);

  // All times are in ns since the first event.
  int64_t duration() const { return duration_; }
  uint64_t events() const { return events_; }
  int version() const { return version_; }
  const std::vector<Slice>& slices() const { return slices_; }
  // By number of the P: its slices, in the order of time.
  const std::vector<std::vector<uint32_t>>& procs() const { return procs_; }
  const std::vector<Goroutine>& goroutines() const { return goroutines_; }
  // The latest goroutine with that number; kNone: there is none.
  uint32_t Find(int64_t id) const;
  // By name. Made anew at each call.
  std::vector<Group> Groups() const;
  const std::vector<Span>& spans() const { return spans_; }
  const std::vector<Mark>& marks() const { return marks_; }
  const std::vector<Counts>& counts() const { return counts_; }
  // From runnable to running.
  const Histogram& latencies() const { return latencies_; }
  const std::string& String(uint32_t id) const { return strings_[id]; }
  // The innermost frame first. Never empty.
  const std::vector<StackFrame>& Stack(uint32_t id) const {
    return stacks_[id];
  }
  // "function file:line"
  std::string FrameText(const StackFrame& frame) const;
  // The function in which the goroutine starts, or "?".
  const std::string& NameOf(const Goroutine& g) const;

 private:
  // What is known only while loading.
  struct Live {
    State state = State::kUndetermined;
    int64_t since = 0;
    uint32_t open = kNone;  // its slice
    uint32_t reason = kNone;
    int64_t ready = -1;
    uint32_t waker = kNone, waker_p = kNone, wake_stack = kNone;
  };

  void Add(const Event& event);
  void AddGoTransition(const Event& event, int64_t now);
  void AddProcTransition(const Event& event, int64_t now);
  void AddRange(const Event& event, int64_t now);
  void AddMark(const Event& event, int64_t now);
  uint32_t Enter(const Event& event, int64_t now);
  void Account(uint32_t g, int64_t now);
  void Became(const Event& event, uint32_t g, int64_t now);
  void MakeReady(const Event& event, uint32_t g, int64_t now);
  void OpenSlice(uint32_t g, int64_t p, int64_t now, Slice::Kind kind);
  void CloseSlice(uint32_t g, int64_t now, Slice::End how, const Event* event);
  void NameGroup(uint32_t g, uint32_t stack);
  void Count(State state, int delta);
  void Sample(int64_t now);
  void Finish();
  uint32_t InternStack(const Event& event, uint64_t stack);

  Interner strings_;
  std::vector<std::vector<StackFrame>> stacks_;
  absl::flat_hash_map<std::vector<StackFrame>, uint32_t> stack_ids_;
  absl::flat_hash_map<uint64_t, uint32_t> stack_cache_;  // of this generation
  std::vector<Slice> slices_;
  std::vector<std::vector<uint32_t>> procs_;
  std::vector<Goroutine> goroutines_;
  std::vector<Live> live_;
  absl::flat_hash_map<int64_t, uint32_t> by_id_;
  absl::flat_hash_map<int64_t, uint32_t> syscall_on_;  // P: goroutine
  // Group and reason: times and ns. Groups are named late, so by goroutine's group at
  // the time it is accounted.
  absl::flat_hash_map<uint64_t, std::pair<uint64_t, int64_t>> blocked_;
  absl::flat_hash_map<uint64_t, Span> open_spans_;
  std::vector<Span> spans_;
  std::vector<Mark> marks_;
  std::vector<Counts> counts_;
  int64_t counts_width_ = 1;
  std::array<uint32_t, 7> in_state_{};
  Histogram latencies_{};
  int64_t first_time_ = -1;
  int64_t duration_ = 0;
  uint64_t events_ = 0;
  int version_ = 0;
};

// "1.25ms": three digits and a unit.
std::string DurationText(int64_t ns);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_TIMELINE_H_
