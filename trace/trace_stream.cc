#include "trace/trace_stream.h"

#include <algorithm>

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
  std::fill(std::begin(cache_), std::end(cache_), nullptr);
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

// Reads frames of other functions, which sanitizers would check.
__attribute__((no_sanitize("address", "thread"))) uint64_t TraceStream::Stack(
    const void* frame, const void* hi) {
  const auto end = reinterpret_cast<uintptr_t>(hi);
  auto fp = reinterpret_cast<uintptr_t>(frame);
  if (fp == 0 || fp % sizeof(uintptr_t) != 0 || fp >= end ||
      end - fp < 2 * sizeof(uintptr_t)) {
    return 0;
  }
  const auto* words = reinterpret_cast<const uintptr_t*>(fp);
  const TraceStack*& slot =
      cache_[((words[1] >> 2) ^ (fp >> 4)) * 0x9E3779B9u >> 7 & (kCache - 1)];
  // Most often it is the stack that was there before: compared as it is walked.
  const TraceStack* const known = slot;
  uintptr_t pcs[kFrames];
  uint32_t n = 0;
  bool same = known != nullptr;
  for (;;) {
    const uintptr_t pc = words[1];
    if (pc == 0) break;
    same = same && n < known->size && known->pcs[n] == pc;
    pcs[n++] = pc;
    const uintptr_t up = words[0];
    if (n == kFrames || up <= fp || up % sizeof(uintptr_t) != 0 || up >= end ||
        end - up < 2 * sizeof(uintptr_t)) {
      break;
    }
    fp = up;
    words = reinterpret_cast<const uintptr_t*>(fp);
  }
  if (same && n == known->size) return known->id;
  const TraceStack* s = tables_->Stack(pcs, n);
  if (s == nullptr) return 0;
  slot = s;
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
