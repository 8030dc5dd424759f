#include "trace/trace_buffer.h"

#include <sys/mman.h>

namespace mpg {

TraceBufferPool::~TraceBufferPool() { Trim(); }

void TraceBufferPool::Trim() {
  RuntimeLockGuard guard(mu_);
  while (TraceBuffer* b = free_) {
    free_ = b->next;
    munmap(b, sizeof *b);
  }
}

TraceBuffer* TraceBufferPool::Take() {
  TraceBuffer* b = nullptr;
  {
    RuntimeLockGuard guard(mu_);
    b = free_;
    if (b != nullptr) free_ = b->next;
  }
  if (b == nullptr) {
    void* map = mmap(nullptr, sizeof *b, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return nullptr;
    b = static_cast<TraceBuffer*>(map);
  }
  b->next = nullptr;
  b->generation = b->thread = b->base_time = 0;
  b->size = 0;
  return b;
}

void TraceBufferPool::Give(TraceBuffer* b) {
  RuntimeLockGuard guard(mu_);
  b->next = free_;
  free_ = b;
}

}  // namespace mpg
