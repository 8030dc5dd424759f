#include "trace/trace_stream.h"

#include <algorithm>

#include "base/closure_origin.h"

namespace mpg {

void TraceStream::Begin(TraceTables* tables, uint64_t thread,
                        uint64_t not_before) {
  End();
  tables_ = tables;
  thread_ = thread;
  last_ = not_before + 1;
}

void TraceStream::End() {
  TraceBuffer* b = buffer_.load(std::memory_order_relaxed);
  if (b != nullptr) {
    b->size = pos_.load(std::memory_order_relaxed) - b->data;
    buffer_.store(nullptr, std::memory_order_relaxed);
    pos_.store(nullptr, std::memory_order_relaxed);
    sink_->PutFull(b);
  }
  tables_ = nullptr;
  for (SeenStack& seen : cache_) seen.size = 0;
}

uint8_t* TraceStream::NextBuffer() {
  TraceBuffer* b = buffer_.load(std::memory_order_relaxed);
  if (b != nullptr) {
    b->size = pos_.load(std::memory_order_relaxed) - b->data;
    buffer_.store(nullptr, std::memory_order_relaxed);
    pos_.store(nullptr, std::memory_order_relaxed);
    sink_->PutFull(b);
  }
  b = sink_->TakeBuffer();
  if (b == nullptr) {
    sink_->Lost();
    return nullptr;
  }
  last_ = std::max(last_, TraceTime(clock_));
  b->generation = tables_->generation();
  b->thread = thread_;
  b->base_time = last_;
  limit_ = b->data + sizeof b->data - kMaxEventBytes;
  buffer_.store(b, std::memory_order_relaxed);
  return b->data;
}

namespace {

// A frame that leads nowhere and begins no further than this from the stack's end
// is the outermost: there is room for it, an entry point and its argument.
constexpr uintptr_t kOutermostBytes = 4 * sizeof(uintptr_t);

bool IsFrame(uintptr_t fp, uintptr_t end) {
  return fp % sizeof(uintptr_t) == 0 && fp < end &&
         end - fp >= 2 * sizeof(uintptr_t);
}

}  // namespace

// These two read frames of other functions, which sanitizers would check.

__attribute__((no_sanitize("address", "thread"))) uint64_t TraceStream::Stack(
    const void* frame, const void* hi) {
  const auto fp = reinterpret_cast<uintptr_t>(frame);
  const auto end = reinterpret_cast<uintptr_t>(hi);
  if (ABSL_PREDICT_FALSE(fp == 0 || !IsFrame(fp, end))) return 0;
  const auto* words = reinterpret_cast<const uintptr_t*>(fp);
  SeenStack& seen =
      cache_[((words[1] >> 2) ^ (fp >> 4)) * 0x9E3779B9u >> 7 & (kCache - 1)];
  const uint32_t n = seen.size;
  if (ABSL_PREDICT_TRUE(n != 0 && seen.fp == fp && seen.end == end)) {
    uintptr_t differs = 0;
    for (uint32_t i = 0; i < n; ++i) {
      differs |=
          (words[0] ^ seen.frames[i].up) | (words[1] ^ seen.frames[i].pc);
      words = reinterpret_cast<const uintptr_t*>(seen.frames[i].up);
    }
    if (ABSL_PREDICT_TRUE(differs == 0)) return seen.id;
  }
  return NewStack(fp, end, &seen);
}

__attribute__((no_sanitize("address", "thread"))) uint64_t
TraceStream::NewStack(uintptr_t fp, uintptr_t end, SeenStack* seen) {
  uintptr_t pcs[kFrames];
  uintptr_t up;
  uint32_t n = 0, read = 0;
  seen->size = 0;
  seen->end = end;
  seen->fp = fp;
  for (;;) {
    const auto* words = reinterpret_cast<const uintptr_t*>(fp);
    up = words[0];
    const uintptr_t pc = words[1];
    if (read < kCacheFrames) seen->frames[read] = {up, pc};
    ++read;
    // Where code keeps no frame pointers, this may be any word.
    if (pc == 0 || (pc & kOriginIsText) != 0) break;
    pcs[n++] = pc;
    if (n == kFrames || up <= fp || !IsFrame(up, end)) break;
    fp = up;
  }
  const TraceStack* s = tables_->Stack(pcs, n);
  if (s == nullptr) return 0;
  seen->id = s->id;
  // The outermost frame is the same for as long as anything runs on the stack.
  if (read > 1 && up == 0 && end - fp <= kOutermostBytes) --read;
  if (read <= kCacheFrames) seen->size = read;
  return s->id;
}

uint64_t TraceStream::StackOf(uintptr_t pc) {
  const TraceStack* s = tables_->Stack(&pc, 1);
  return s == nullptr ? 0 : s->id;
}

const TraceBuffer* TraceStream::Peek(size_t* size) const {
  const TraceBuffer* b = buffer_.load(std::memory_order_relaxed);
  const uint8_t* pos = pos_.load(std::memory_order_relaxed);
  if (b == nullptr || pos < b->data || pos > b->data + sizeof b->data) {
    return nullptr;
  }
  *size = pos - b->data;
  return b;
}

}  // namespace mpg
