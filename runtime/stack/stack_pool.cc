#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/stack/stack.h"

#if defined(MPG_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

namespace mpg {
namespace internal {
namespace {

constexpr size_t kMinStackSize = 32 << 10;

size_t RoundUpToOddPages(size_t n) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (((std::max(n, kMinStackSize) + page - 1) / page) | 1) * page;
}

absl::Status Refused(int error, absl::string_view what) {
  const char* const hint =
      error == ENOMEM
          ? "; see vm.max_map_count, vm.overcommit_memory, RLIMIT_AS"
          : "";
  return absl::ErrnoToStatus(error, absl::StrCat(what, hint));
}

// Objects that only a parked goroutine's stack refers to are not leaked. What
// is registered is read at exit, so not more than this much.
#if defined(MPG_ASAN)
constexpr size_t kMaxRootBytes = size_t{4} << 30;
void RegisterRoots(const char* base, size_t size, size_t mapped) {
  if (mapped <= kMaxRootBytes) __lsan_register_root_region(base, size);
}
void UnregisterRoots(const char* base, size_t size, size_t mapped) {
  if (mapped <= kMaxRootBytes) __lsan_unregister_root_region(base, size);
}
#else
void RegisterRoots(const char*, size_t, size_t) {}
void UnregisterRoots(const char*, size_t, size_t) {}
#endif

}  // namespace

StackPool::StackPool(const StackPoolOptions& options)
    : stack_size_(RoundUpToOddPages(options.stack_size)),
      colours_(options.colours),
      colour_step_(options.colour_step),
      memory_(options.syscalls) {
  assert(colours_ >= 1 && (colours_ & (colours_ - 1)) == 0);
  assert(colour_step_ % 64 == 0 && colours_ * colour_step_ <= 4096);
}

StackPool::~StackPool() {
  RuntimeLockGuard guard(lock_);
  assert(caches_.empty());
  // relaxed: nobody else is left.
  const int count = slab_count_.load(std::memory_order_relaxed);
  size_t mapped = 0;
  for (int i = 0; i < count; ++i) {
    const Slab& slab = slabs_[i];
    if (kSanStackBytes != 0) {
      const size_t used = i + 1 == count ? next_fresh_ : slab.stacks;
      for (size_t k = 0; k < used; ++k) {
        SanDestroyStack(San(StackInSlot(slab.base + k * stack_size_)));
      }
    }
    mapped += slab.mapping_size;
    UnregisterRoots(slab.mapping, slab.mapping_size, mapped);
    SanOnStackGiven(slab.mapping, slab.mapping_size);
    memory_.Unmap(slab.mapping, slab.mapping_size);
  }
}

Stack StackPool::StackInSlot(char* slot) const {
  const uintptr_t number = reinterpret_cast<uintptr_t>(slot) / stack_size_;
  const size_t colour = number & static_cast<size_t>(colours_ - 1);
  return Stack{slot + stack_size_ - kSanStackBytes -
               colour * static_cast<size_t>(colour_step_)};
}

bool StackPool::IsGuardHit(const void* addr, Stack* stack) const {
  const uintptr_t a = reinterpret_cast<uintptr_t>(addr);
  // acquire: pairs with the release in Grow.
  const int count = slab_count_.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) {
    const uintptr_t base = reinterpret_cast<uintptr_t>(slabs_[i].base);
    if (a < base || a - base >= slabs_[i].stacks * stack_size_) continue;
    if ((a - base) % stack_size_ >= kGuardSize) return false;
    const size_t slot = (a - base) / stack_size_;
    *stack = StackInSlot(slabs_[i].base + slot * stack_size_);
    return true;
  }
  return false;
}

void StackPool::Trim(Stack s) {
  char* const lo = Lo(s);
  char* const keep = Slot(s) + stack_size_ - kTrimKeep;
  const iovec range{lo, static_cast<size_t>(keep - lo)};
  if (range.iov_len != 0) (void)memory_.Discard(&range, 1);
}

bool StackPool::Grow(absl::Status* why) {
  // relaxed: only changed under lock_.
  const int count = slab_count_.load(std::memory_order_relaxed);
  if (count == kMaxSlabs) {
    *why = absl::ResourceExhaustedError("stack pool: too many slabs");
    return false;
  }
  const size_t most = std::max<size_t>(kMaxSlabBytes / stack_size_, 1);
  size_t stacks = std::min(next_slab_stacks_, most);
  Slab& slab = slabs_[count];
  for (;; stacks = std::max<size_t>(stacks / 4, 1)) {
    // One slot more than asked for, to align the first one.
    slab.mapping_size = (stacks + 1) * stack_size_;
    slab.mapping = memory_.Map(slab.mapping_size);
    if (slab.mapping != nullptr) break;
    if (stacks == 1) {
      *why = Refused(errno, "stack pool: mmap");
      return false;
    }
  }
  const uintptr_t start = reinterpret_cast<uintptr_t>(slab.mapping);
  slab.base = slab.mapping + (stack_size_ - start % stack_size_) % stack_size_;
  slab.stacks = stacks;
  bytes_mapped_ += slab.mapping_size;
  RegisterRoots(slab.mapping, slab.mapping_size, bytes_mapped_);
  total_stacks_ += stacks;
  resting_.Reserve(total_stacks_);
  clean_.Reserve(total_stacks_);
  next_slab_stacks_ = stacks * 4;
  next_fresh_ = 0;
  // release: pairs with the acquire in IsGuardHit.
  slab_count_.store(count + 1, std::memory_order_release);
  return true;
}

char* StackPool::FreshSlot(absl::Status* why) {
  if (!unguarded_.empty()) {
    char* const slot = unguarded_.back();
    unguarded_.pop_back();
    return slot;
  }
  // relaxed: only changed under lock_.
  int count = slab_count_.load(std::memory_order_relaxed);
  if (count == 0 || next_fresh_ == slabs_[count - 1].stacks) {
    if (!Grow(why)) return nullptr;
    ++count;
  }
  return slabs_[count - 1].base + next_fresh_++ * stack_size_;
}

int StackPool::Refill(Stack* out, int cold, absl::Status* why) {
  assert(cold <= kBatch);
  {
    RuntimeLockGuard guard(lock_);
    size_t n = resting_.PopBack(out, kBatch);
    untouched_ = std::min(untouched_, resting_.Size());
    if (n == 0) n = clean_.PopBack(out, static_cast<size_t>(cold));
    if (n != 0) return static_cast<int>(n);
  }
  return GetFresh(out, cold, why);
}

int StackPool::GetFresh(Stack* out, int max, absl::Status* why) {
  int n = 0;
  absl::Status refusal;
  {
    RuntimeLockGuard guard(lock_);
    for (; n < max; ++n) {
      char* const slot = FreshSlot(&refusal);
      if (slot == nullptr) break;
      out[n] = StackInSlot(slot);
    }
    created_ += static_cast<size_t>(n);
  }
  if (n == 0) {
    *why = std::move(refusal);
    return 0;
  }
  if (!GuardAll(out, n, why)) return 0;
  // In the order of their addresses when taken from the back.
  std::reverse(out, out + n);
  return n;
}

bool StackPool::GuardAll(const Stack* stacks, int count, absl::Status* why) {
  iovec ranges[kBatch];
  static_assert(kBatch <= StackMemory::kMaxRanges);
  for (int i = 0; i < count; ++i) ranges[i] = {Slot(stacks[i]), kGuardSize};
  if (memory_.Guard(ranges, count)) return true;
  const int error = errno;
  *why = Refused(error, memory_.GuardsSplitMappings()
                            ? "stack pool: mprotect of a guard"
                            : "stack pool: MADV_GUARD_INSTALL");
  RuntimeLockGuard guard(lock_);
  for (int i = count - 1; i >= 0; --i) unguarded_.push_back(Slot(stacks[i]));
  created_ -= static_cast<size_t>(count);
  return false;
}

void StackPool::PutResting(const Stack* stacks, int count) {
  RuntimeLockGuard guard(lock_);
  resting_.PushBack(stacks, static_cast<size_t>(count));
}

void StackPool::ClearSlots(const Stack* stacks, int count) {
  iovec ranges[kBatch];
  static_assert(kBatch <= StackMemory::kMaxRanges);
  for (int i = 0; i < count; ++i) {
    SanDestroyStack(San(stacks[i]));
    char* const lo = Lo(stacks[i]);
    ranges[i] = {lo, static_cast<size_t>(Slot(stacks[i]) + stack_size_ - lo)};
  }
  (void)memory_.Discard(ranges, count);
}

size_t StackPool::Scavenge(size_t max) {
  size_t total = 0;
  for (;;) {
    Stack stacks[kBatch];
    size_t n = std::min<size_t>(kBatch, max - total);
    {
      RuntimeLockGuard guard(lock_);
      n = resting_.PopFront(stacks, std::min(n, untouched_));
      untouched_ -= n;
      if (n == 0) {
        untouched_ = resting_.Size();
        return total;
      }
    }
    ClearSlots(stacks, static_cast<int>(n));
    total += n;
    RuntimeLockGuard guard(lock_);
    clean_.PushBack(stacks, n);
  }
}

StackStats StackPool::Stats() const {
  StackStats stats;
  RuntimeLockGuard guard(lock_);
  stats.resting = resting_.Size();
  stats.clean = clean_.Size();
  stats.bytes_mapped = bytes_mapped_;
  for (const StackCache* cache : caches_) stats.cached += cache->Count();
  const size_t unused = stats.resting + stats.clean + stats.cached;
  stats.in_use = created_ > unused ? created_ - unused : 0;
  return stats;
}

void StackPool::AddCache(StackCache* cache) {
  RuntimeLockGuard guard(lock_);
  caches_.push_back(cache);
}

void StackPool::RemoveCache(StackCache* cache) {
  RuntimeLockGuard guard(lock_);
  caches_.erase(std::find(caches_.begin(), caches_.end(), cache));
}

}  // namespace internal
}  // namespace mpg
