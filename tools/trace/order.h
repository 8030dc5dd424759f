// Puts the events of several threads into an order that can have happened. Clocks of
// different threads need not agree, so times only propose: an event that depends on
// another thread's (a goroutine starts here that was unblocked there) carries a
// sequence number of its goroutine or processor, and is held back until that number
// is due.
//
// Order keeps what state each goroutine, processor and thread is in, and says of an
// event whether it can come next. Go: internal/trace, ordering.
//
// Thread safety: none. Nothing blocks.
#ifndef MPG_TOOLS_TRACE_ORDER_H_
#define MPG_TOOLS_TRACE_ORDER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/trace/event.h"

namespace mpg {
namespace tracetool {

class Order {
 public:
  // Takes `event` (type, time, args, tables) of thread m in that generation if it
  // can come next: true. False: try it again after another thread's event. An error:
  // it can never come, and the trace is broken.
  absl::StatusOr<bool> Advance(const Event& event, int64_t m,
                               uint64_t generation);
  // What has been taken and not yet fetched. One event in the file may become
  // several: a switch between coroutines unblocks, blocks and starts.
  bool Next(Event* event);

 private:
  struct Sequence {
    uint64_t generation = 0, number = 0;
    bool Precedes(const Sequence& next) const {
      return generation == next.generation && number + 1 == next.number;
    }
  };
  // A range in progress: its first event's type and, of a stop-the-world, its kind.
  using Range = std::pair<uint8_t, uint64_t>;
  using Ranges = std::vector<Range>;
  struct GState {
    GoStatus status = GoStatus::kBad;
    Sequence sequence;
    Ranges ranges;
    std::vector<std::pair<uint64_t, std::string>> regions;
  };
  struct PState {
    ProcStatus status = ProcStatus::kBad;
    Sequence sequence;
    Ranges ranges;
  };
  struct MState {
    int64_t p = -1, g = -1;
  };
  struct Task {
    uint64_t parent;
    std::string name;
  };
  enum class Gc { kUndetermined, kOff, kOn };
  enum class Need { kNo, kMay, kMust };
  using Result = absl::StatusOr<bool>;
  // The event in hand, with the state before it in its m, p and g; and where its
  // thread stands after it.
  struct Step {
    Event event;
    uint64_t generation;
    MState next;
  };

  Result Dispatch(Step* step);
  Result ProcStatusEvent(Step* step);
  Result ProcStart(Step* step);
  Result ProcStop(Step* step);
  Result ProcSteal(Step* step);
  Result StealFrom(Step* step, int64_t victim);
  Result GoStatusEvent(Step* step);
  absl::Status BindSyscall(Step* step, int64_t victim);
  Result GoCreate(Step* step);
  Result GoCreateSyscall(Step* step);
  Result GoDestroySyscall(Step* step);
  Result GoStop(Step* step);
  Result GoStart(Step* step);
  Result GoUnblock(Step* step);
  Result GoSwitch(Step* step);
  Result SyscallBegin(Step* step);
  Result SyscallEnd(Step* step);
  Result SyscallEndBlocked(Step* step);
  Result GcActive(Step* step);
  Result GcBegin(Step* step);
  Result GcEnd(Step* step);
  Result SweepEvent(Step* step);
  Result GoRangeEvent(Step* step);
  Result TaskBegin(Step* step);
  Result TaskEnd(Step* step);
  Result Region(Step* step);
  Result Annotation(Step* step, Need p, Need g);

  absl::Status Begin(Ranges* ranges, const Event& event, uint64_t kind);
  absl::Status Active(Ranges* ranges, const Event& event, bool first);
  absl::Status End(Ranges* ranges, const Event& event, uint64_t* kind);

  absl::Status Check(const Step& step, Need p, Need g) const;
  // The goroutine that runs, which must be in that state.
  absl::StatusOr<GState*> Current(const Step& step, GoStatus status);
  void Push(const Event& event) { queue_.push_back(event); }
  void PushGo(const Event& event, int64_t g, State from, State to);
  void PushProc(const Event& event, int64_t p, State from, State to);

  absl::flat_hash_map<int64_t, GState> gs_;
  absl::flat_hash_map<int64_t, PState> ps_;
  absl::flat_hash_map<int64_t, MState> ms_;
  absl::flat_hash_map<uint64_t, Task> tasks_;
  Gc gc_ = Gc::kUndetermined;
  uint64_t gc_sequence_ = 0;
  uint64_t first_generation_ = 0;  // 0: none yet
  std::deque<Event> queue_;
};

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_ORDER_H_
