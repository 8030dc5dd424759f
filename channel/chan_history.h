// A sequential model of channels, and a checker that says whether a recorded
// concurrent history could have been produced by it: linearizability. For
// tests.
//
// The search is Wing and Gong's with memory of failed states (Lowe, "Testing
// for linearizability"): an operation may come first if no other one ended
// before it began; try each, as far as the model agrees with what it returned.
//
// In the model an unbuffered Send and the Recv that gets its value happen
// together, at a moment when both are under way. A failed TrySend or TryRecv on
// an unbuffered channel is always right: whether a partner was only about to
// wait cannot be seen from outside.
#ifndef MPG_CHANNEL_CHAN_HISTORY_H_
#define MPG_CHANNEL_CHAN_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace mpg {
namespace channel_test {

// One finished operation. Values differ between sends and are not negative.
struct Operation {
  enum Kind {
    kSend,         // `value` was sent on `channel`
    kSendClosed,   // the channel was closed
    kSendBlocked,  // TrySend failed
    kRecv,         // `value` was received
    kRecvClosed,   // the channel was closed and drained
    kRecvBlocked,  // TryRecv failed
    kClose,
    kDefault,  // a Select receiving from the channels in the bit set `channel`
               // and sending on those in the bit set `value` took its default
  };
  Kind kind;
  int channel;
  int value;
  int64_t begin;  // in one order with all begins and ends
  int64_t end;
};

using History = std::vector<Operation>;

class HistoryChecker {
 public:
  explicit HistoryChecker(std::vector<size_t> capacities)
      : capacities_(std::move(capacities)) {}

  // REQUIRES: at most 32 operations.
  bool IsLinearizable(const History& history) {
    history_ = &history;
    failed_.clear();
    return Search(0, State(capacities_.size()));
  }

  static std::string Describe(const History& history) {
    static const char* const kNames[] = {"send",  "send-closed", "send-blocked",
                                         "recv",  "recv-closed", "recv-blocked",
                                         "close", "default"};
    std::string s;
    for (const Operation& op : history) {
      s += std::to_string(op.begin) + ".." + std::to_string(op.end) + " " +
           kNames[op.kind] + " channel " + std::to_string(op.channel) +
           " value " + std::to_string(op.value) + "\n";
    }
    return s;
  }

 private:
  struct Channel {
    std::deque<int> buffer;
    bool closed = false;
    bool operator<(const Channel& o) const {
      return std::tie(buffer, closed) < std::tie(o.buffer, o.closed);
    }
  };
  using State = std::vector<Channel>;

  bool Full(const State& s, int c) const {
    return s[c].buffer.size() == capacities_[c];
  }

  // What a Select without partners would see. Unbuffered: see above.
  bool DefaultIsRight(const State& s, const Operation& op) const {
    for (size_t c = 0; c < s.size(); ++c) {
      const bool recv = op.channel >> c & 1, send = op.value >> c & 1;
      if ((recv || send) && s[c].closed) return false;
      if (recv && !s[c].buffer.empty()) return false;
      if (send && capacities_[c] > 0 && !Full(s, c)) return false;
    }
    return true;
  }

  // Applies `op` to *s if the model agrees with it.
  bool Apply(const Operation& op, State* s) const {
    if (op.kind == Operation::kDefault) return DefaultIsRight(*s, op);
    Channel& c = (*s)[op.channel];
    const bool buffered = capacities_[op.channel] > 0;
    switch (op.kind) {
      case Operation::kSend:
        if (c.closed || Full(*s, op.channel)) return false;
        c.buffer.push_back(op.value);
        return true;
      case Operation::kSendClosed:
        return c.closed;
      case Operation::kSendBlocked:
        return !c.closed && (!buffered || Full(*s, op.channel));
      case Operation::kRecv:
        if (c.buffer.empty() || c.buffer.front() != op.value) return false;
        c.buffer.pop_front();
        return true;
      case Operation::kRecvClosed:
        return c.closed && c.buffer.empty();
      case Operation::kRecvBlocked:
        return !c.closed && c.buffer.empty();
      default:  // kClose
        if (c.closed) return false;
        c.closed = true;
        return true;
    }
  }

  bool Search(uint32_t done, const State& state) {
    const History& h = *history_;
    if (done == (uint64_t{1} << h.size()) - 1) return true;
    if (failed_.count({done, state}) != 0) return false;
    int64_t first_end = INT64_MAX;
    for (size_t i = 0; i < h.size(); ++i) {
      if (!(done >> i & 1) && h[i].end < first_end) first_end = h[i].end;
    }
    const auto may_be_next = [&](size_t i) {
      return !(done >> i & 1) && h[i].begin < first_end;
    };
    for (size_t i = 0; i < h.size(); ++i) {
      if (!may_be_next(i)) continue;
      State next = state;
      if (Apply(h[i], &next) && Search(done | 1u << i, next)) return true;
      if (h[i].kind != Operation::kSend || capacities_[h[i].channel] > 0 ||
          state[h[i].channel].closed) {
        continue;
      }
      for (size_t j = 0; j < h.size(); ++j) {  // a rendezvous
        if (may_be_next(j) && h[j].kind == Operation::kRecv &&
            h[j].channel == h[i].channel && h[j].value == h[i].value &&
            Search(done | 1u << i | 1u << j, state)) {
          return true;
        }
      }
    }
    failed_.insert({done, state});
    return false;
  }

  const std::vector<size_t> capacities_;
  const History* history_ = nullptr;
  std::set<std::pair<uint32_t, State>> failed_;
};

}  // namespace channel_test
}  // namespace mpg

#endif  // MPG_CHANNEL_CHAN_HISTORY_H_
