// TraceStream: the events of one thread, in their order, encoded into buffers.
//
//   stream.Begin(tables, thread, not_before);
//   stream.Emit(TraceEvent::kGoStart, goid, seq);
//   stream.Emit(TraceEvent::kGoBlock, kReasonSleep, stream.Stack(frame, hi));
//   stream.End();                                // hands the last buffer over
//
// Thread safety: one thread at a time; the owners see to that (the runtime: an M
// with a P, or who has stopped the world). Takes a lock, that of the pool, once
// in a buffer. Usable in a signal handler if it has not interrupted a call.
#ifndef MPG_TRACE_TRACE_STREAM_H_
#define MPG_TRACE_TRACE_STREAM_H_

#include <atomic>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "base/cacheline.h"
#include "base/clock.h"
#include "trace/event.h"
#include "trace/trace_buffer.h"
#include "trace/trace_tables.h"

namespace mpg {

// The time of a trace. Null: CpuTicks, which must be a clock.
using TraceClock = int64_t (*)();

// In units of the file: CpuTicks / 16, some 5 ns.
inline uint64_t TraceTime(TraceClock clock) {
  const int64_t now =
      ABSL_PREDICT_TRUE(clock == nullptr) ? CpuTicks() : clock();
  return static_cast<uint64_t>(now) >> 4;
}

// Where streams get buffers and where they leave full ones.
class TraceBufferSink {
 public:
  virtual TraceBuffer* TakeBuffer() = 0;  // null: no memory
  virtual void PutFull(TraceBuffer* b) = 0;
  virtual void Lost() = 0;  // an event found no memory

 protected:
  ~TraceBufferSink() = default;
};

class TraceStream {
 public:
  TraceStream(TraceBufferSink* sink, TraceClock clock)
      : sink_(sink), clock_(clock) {}
  TraceStream(const TraceStream&) = delete;
  TraceStream& operator=(const TraceStream&) = delete;
  ~TraceStream() { End(); }

  // Events from here on are of tables' generation, and of thread `thread`; their
  // time is after not_before. `tables` stays until End or the next Begin.
  void Begin(TraceTables* tables, uint64_t thread, uint64_t not_before);
  void End();

  TraceTables* tables() const { return tables_; }
  uint64_t last_time() const { return last_; }  // of an event

  template <class... Args>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Emit(TraceEvent type, Args... args) {
    EmitAt(Now(), type, args...);
  }
  // At a time read before: the counter takes 12 ns to answer, in which an event's
  // stack can be found.
  uint64_t Now() const { return TraceTime(clock_); }
  template <class... Args>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void EmitAt(uint64_t now, TraceEvent type,
                                           Args... args) {
    uint8_t* const p = Room();
    if (ABSL_PREDICT_FALSE(p == nullptr)) return;
    // The collector's core has read these lines, and lets them go slowly: that
    // would be half of an event's cost.
    PrefetchToOwn(p + kPrefetchBytes);
    // Cores' counters may differ a little.
    const uint64_t passed = now > last_ ? now - last_ : 0;
    last_ += passed;
    Append(p, type, passed, args...);
  }
  // At the time of the event before it: reading the clock is a third of the cost.
  template <class... Args>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void EmitAtOnce(TraceEvent type, Args... args) {
    uint8_t* const p = Room();
    if (ABSL_PREDICT_FALSE(p == nullptr)) return;
    Append(p, type, 0, args...);
  }

  // The number of the call stack whose innermost frame is `frame` (from
  // __builtin_frame_address), on a stack that ends at `hi`. Follows frame
  // pointers, as far as they lead upwards in the stack: code built without them
  // shortens the result. 0: none, as for a null frame. The outermost frame, next
  // to `hi`, is taken to be the same at each call.
  uint64_t Stack(const void* frame, const void* hi);
  // The stack that is this one address.
  uint64_t StackOf(uintptr_t pc);

  // For a dying process, on any thread: the buffer in use and how much of it is
  // written; null: none.
  const TraceBuffer* Peek(size_t* size) const;

 private:
  static constexpr size_t kMaxEventBytes = 1 + 6 * 10;
  static constexpr size_t kPrefetchBytes = 512;  // some 0.5 us ahead
  static constexpr uint32_t kFrames = 48;
  static constexpr size_t kCache = 64;
  static constexpr uint32_t kCacheFrames = 14;

  // A stack seen lately: what lay at its frames, word by word. To compare is
  // faster than to walk, where each load waits for the one before it.
  struct alignas(256) SeenStack {
    uintptr_t end;  // of the stack that it is on
    uintptr_t fp;   // of the innermost frame
    uint32_t id;
    uint32_t size = 0;  // 0: none
    struct {
      uintptr_t up, pc;  // the next frame, and where it goes on
    } frames[kCacheFrames];
  };

  uint8_t* NextBuffer();
  uint64_t NewStack(uintptr_t fp, uintptr_t end, SeenStack* seen);

  // Where the next event goes; null: nowhere.
  ABSL_ATTRIBUTE_ALWAYS_INLINE uint8_t* Room() {
    // relaxed, here and below: a dying process reads what is complete.
    uint8_t* const p = pos_.load(std::memory_order_relaxed);
    return ABSL_PREDICT_TRUE(p != nullptr && p <= limit_) ? p : NextBuffer();
  }

  template <class... Args>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Append(uint8_t* p, TraceEvent type,
                                           uint64_t passed, Args... args) {
    static_assert(sizeof...(args) <= 5, "kMaxEventBytes");
    *p++ = static_cast<uint8_t>(type);
    p = PutVarint(p, passed);
    ((p = Put(p, args)), ...);
    pos_.store(p, std::memory_order_relaxed);
  }

  static uint8_t* Put(uint8_t* p, TraceSeq arg) { return PutVarint(p, arg); }
  template <class Arg>
  static uint8_t* Put(uint8_t* p, Arg arg) {
    return PutVarint(p, static_cast<uint64_t>(arg));
  }

  std::atomic<uint8_t*> pos_{nullptr};  // null: no buffer
  uint8_t* limit_ = nullptr;            // an event fits if it begins here
  uint64_t last_ = 0;                   // time of the last event
  TraceBufferSink* const sink_;
  const TraceClock clock_;
  TraceTables* tables_ = nullptr;  // null: between End and Begin
  uint64_t thread_ = 0;
  std::atomic<TraceBuffer*> buffer_{nullptr};
  SeenStack cache_[kCache];  // by innermost frame's place and return address
};

}  // namespace mpg

#endif  // MPG_TRACE_TRACE_STREAM_H_
