// Buffers that hold one batch each, from a pool of their own.
//
// Thread safety: a buffer belongs to who took it. The pool: any thread, also in a
// signal handler that has not interrupted a holder of a RuntimeLock; it maps
// memory from the kernel and uses no malloc.
#ifndef MPG_TRACE_TRACE_BUFFER_H_
#define MPG_TRACE_TRACE_BUFFER_H_

#include <cstddef>
#include <cstdint>

#include "base/lock.h"
#include "trace/event.h"

namespace mpg {

struct TraceBuffer {
  TraceBuffer* next;
  uint64_t generation;
  uint64_t thread;
  uint64_t base_time;
  size_t size;  // bytes of data
  uint8_t data[kMaxBatchBytes - 40];
};

static_assert(sizeof(TraceBuffer) == kMaxBatchBytes, "a power of two");

class TraceBufferPool {
 public:
  TraceBufferPool() = default;
  TraceBufferPool(const TraceBufferPool&) = delete;
  TraceBufferPool& operator=(const TraceBufferPool&) = delete;
  ~TraceBufferPool();

  // Fields other than `data` are zero. Null: the kernel has no memory.
  TraceBuffer* Take();
  void Give(TraceBuffer* b);
  // What has been given goes back to the kernel.
  void Trim();

 private:
  RuntimeLock mu_;
  TraceBuffer* free_ ABSL_GUARDED_BY(mu_) = nullptr;
};

}  // namespace mpg

#endif  // MPG_TRACE_TRACE_BUFFER_H_
