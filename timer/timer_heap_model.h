// Runs a sequence of timer operations, read from bytes, on a TimerHeap and on a
// std::multimap, and compares. For the fuzzer and for the deterministic run.
#ifndef MPG_TIMER_TIMER_HEAP_MODEL_H_
#define MPG_TIMER_TIMER_HEAP_MODEL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "timer/timer_heap.h"

namespace mpg {
namespace timer_test {

class ModelRun {
 public:
  // Aborts with a message if heap and model disagree.
  void Run(const uint8_t* data, size_t size) {
    for (size_t i = 0; i + 2 < size; i += 3)
      Step(data[i], data[i + 1], data[i + 2]);
    Advance(1 << 20);
    for (int i = 0; i < kTimers; ++i) StopOne(i);
    for (TimerHeap& heap : heaps_) heap.Compact();
    for (TimerHeap& heap : heaps_) Check(heap.Size() == 0, "entries are left");
    for (Timer*& t : timers_) {
      if (t != nullptr) t->Unref();
      t = nullptr;
    }
    Check(alive_ == 0, "a timer was not destroyed");
  }

  int64_t fired() const { return fired_; }

 private:
  static constexpr int kTimers = 24;
  static constexpr int kHeaps = 2;

  struct Timer : TimerNode {
    Timer(ModelRun* r, int i, int64_t p)
        : TimerNode(&kOps), run(r), id(i), period(p) {
      ++run->alive_;
    }
    ~Timer() { --run->alive_; }
    ModelRun* const run;
    const int id;
    const int64_t period;
  };
  struct Expected {
    int id;
    int64_t when;
  };

  static void Fire(TimerNode* n, int64_t when, int64_t now) {
    auto* t = static_cast<Timer*>(n);
    t->run->Fired(t, when, now);
  }
  static int64_t Period(const TimerNode* n) {
    return static_cast<const Timer*>(n)->period;
  }
  static void Destroy(TimerNode* n) { delete static_cast<Timer*>(n); }
  static constexpr TimerOps kOps = {Fire, Period, Destroy, false, false};

  static void Check(bool ok, const char* what) {
    if (ok) return;
    std::fprintf(stderr, "TimerHeap disagrees with its model: %s\n", what);
    std::abort();
  }

  void Step(uint8_t op, uint8_t a, uint8_t b) {
    const int id = a % kTimers;
    switch (op % 8) {
      case 0:
      case 1:
      case 2:
        return ResetOne(id, now_ + b, op & 8 ? 1 + op / 16 : 0,
                        op & 16 ? 1 : 0);
      case 3:
        return StopOne(id);
      case 4:
      case 5:
        return Advance(b % 16);
      case 6:
        return Advance(b);
      default:
        if (a % 8 == 0) {
          heaps_[b % 2].MoveTo(&heaps_[1 - b % 2]);
        } else if (a % 8 == 1) {
          heaps_[b % 2].Compact();
        } else {
          Forget(id);
        }
    }
  }

  void Erase(int id) {
    for (auto i = model_.begin(); i != model_.end();) {
      i = i->second == id ? model_.erase(i) : std::next(i);
    }
  }
  bool InModel(int id) const {
    for (const auto& [when, other] : model_) {
      if (other == id) return true;
    }
    return false;
  }

  void ResetOne(int id, int64_t when, int64_t period, int heap) {
    if (timers_[id] == nullptr) {
      timers_[id] = new Timer(this, id, period);
      if (when % 2 == 0) {
        heaps_[heap].Start(timers_[id], when);
        model_.emplace(when, id);
        return CheckNext();
      }
    }
    const bool was = heaps_[heap].Reset(timers_[id], when, nullptr);
    Check(was == InModel(id), "Reset's result");
    Erase(id);
    model_.emplace(when, id);
    CheckNext();
  }
  void StopOne(int id) {
    if (timers_[id] == nullptr) return;
    Check(TimerHeap::Stop(timers_[id]) == InModel(id), "Stop's result");
    Erase(id);
    Check(!timers_[id]->Pending(), "pending after Stop");
  }
  // The user stops a timer and lets go of it.
  void Forget(int id) {
    StopOne(id);
    if (timers_[id] != nullptr) timers_[id]->Unref();
    timers_[id] = nullptr;
  }
  void CheckNext() {
    if (model_.empty()) return;
    int64_t next = TimerHeap::kNever;
    for (TimerHeap& h : heaps_) next = std::min(next, h.NextWhen());
    Check(next <= model_.begin()->first, "NextWhen is too late");
  }

  void Advance(int64_t by) {
    now_ += by;
    CheckNext();
    for (TimerHeap& h : heaps_) {
      last_when_ = 0;
      h.Run(now_);
      Check(h.NextWhen() > now_, "Run has left a due timer");
    }
    Check(model_.empty() || model_.begin()->first > now_, "did not fire");
  }

  void Fired(Timer* t, int64_t when, int64_t now) {
    ++fired_;
    Check(now == now_ && when <= now, "fired too early");
    Check(when >= last_when_, "fired out of order");
    last_when_ = when;
    auto [begin, end] = model_.equal_range(when);
    while (begin != end && begin->second != t->id) ++begin;
    Check(begin != end, "fired though not due");
    model_.erase(begin);
    if (t->period > 0) {
      model_.emplace(when + ((now - when) / t->period + 1) * t->period, t->id);
    }
  }

  TimerHeap heaps_[kHeaps];
  Timer* timers_[kTimers] = {};
  std::multimap<int64_t, int> model_;
  int64_t now_ = 1000;
  int64_t last_when_ = 0;
  int64_t fired_ = 0;
  int alive_ = 0;
};

}  // namespace timer_test
}  // namespace mpg

#endif  // MPG_TIMER_TIMER_HEAP_MODEL_H_
