#include <algorithm>
#include <cassert>
#include <cstdint>

#include "runtime/stack/stack.h"

namespace mpg {
namespace internal {

StackCache::StackCache(StackPool* pool) : pool_(pool) { pool_->AddCache(this); }

StackCache::~StackCache() {
  assert(Count() == 0);
  pool_->RemoveCache(this);
}

ABSL_ATTRIBUTE_NOINLINE Stack StackCache::RefillAndTake(absl::Status* why) {
  const int got = pool_->Refill(stacks_, cold_refill_, why);
  if (got == 0) return Stack();
  cold_refill_ = std::min(cold_refill_ * 2, StackPool::kBatch);
  // relaxed: only the owner writes it.
  count_.store(static_cast<uint32_t>(got - 1), std::memory_order_relaxed);
  return stacks_[got - 1];
}

// Gives the colder half to the pool; returns how many are left.
ABSL_ATTRIBUTE_NOINLINE uint32_t StackCache::Spill() {
  pool_->PutResting(stacks_, StackPool::kBatch);
  std::copy(stacks_ + StackPool::kBatch, stacks_ + kCapacity, stacks_);
  return kCapacity - StackPool::kBatch;
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
  // relaxed: only the owner writes it.
  const uint32_t n = count_.load(std::memory_order_relaxed);
  pool_->PutResting(stacks_, static_cast<int>(n));
  count_.store(0, std::memory_order_relaxed);
}

}  // namespace internal
}  // namespace mpg
