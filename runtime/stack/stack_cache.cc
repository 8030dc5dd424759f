#include <algorithm>

#include "runtime/stack/stack.h"

namespace mpg {
namespace internal {

StackCache::StackCache(StackPool* pool) : pool_(pool), list_(&pool->central_) {
  pool_->AddCache(this);
}

StackCache::~StackCache() { pool_->RemoveCache(this); }

ABSL_ATTRIBUTE_NOINLINE Stack StackCache::TakeCold(absl::Status* why) {
  // relaxed: only the owner writes it.
  uint32_t count = cold_count_.load(std::memory_order_relaxed);
  if (count == 0) {
    const int got = pool_->GetCold(cold_, cold_refill_, why);
    if (got == 0) return Stack{};
    count = static_cast<uint32_t>(got);
    cold_refill_ = std::min(cold_refill_ * 2, StackPool::kColdBatch);
    // In the order of their addresses when taken from the back.
    std::reverse(cold_, cold_ + count);
  }
  cold_count_.store(count - 1, std::memory_order_relaxed);
  return cold_[count - 1];
}

ABSL_ATTRIBUTE_NOINLINE void StackCache::Sample(Stack s) {
  until_sample_ = kSamplePeriod;
  char* const lo = pool_->Lo(s);
  char* const keep =
      pool_->Slot(s) + pool_->stack_size() - StackPool::kTrimKeep;
  if (keep > lo &&
      pool_->memory_.AnyResident(lo, static_cast<size_t>(keep - lo))) {
    pool_->Trim(s);
  }
}

void StackCache::Flush() {
  list_.Flush();
  // relaxed: only the owner writes it.
  const uint32_t count = cold_count_.load(std::memory_order_relaxed);
  pool_->PutClean(cold_, static_cast<int>(count));
  cold_count_.store(0, std::memory_order_relaxed);
}

}  // namespace internal
}  // namespace mpg
