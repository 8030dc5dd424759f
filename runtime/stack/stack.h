// Stacks for goroutines: taken at first run, recycled hottest first, cut from
// large mappings ("slabs").
//
//   StackPool   what all processors of a Runtime share: slabs, guards, resting
//               stacks. One for each stack size.
//   StackCache  a processor's own: take and give without a lock.
//
//   StackPool pool({});
//   StackCache cache(&pool);                  // one a processor
//   absl::Status why;
//   Stack s = cache.Take(&why);               // empty: see why
//   MakeContext(&ctx, s.hi, entry, arg);
//   ...                                       // nothing runs on s any more
//   cache.Give(s, /*deep=*/false);
//   cache.Flush();                            // before the cache is destroyed
//
// A stack lies in a slot of stack_size bytes, at a multiple of stack_size:
//
//   slot                                                     slot + stack_size
//   | guard | usable, grows down .......................... hi | colour | san |
//
// - The guard faults. It is installed when the slot is first handed out.
// - colour: hi differs from slot to slot by multiples of a cache line, because
//   hot words at the same page offset in every stack would all compete for the
//   same few sets of the caches (L1 is indexed by the page offset).
// - stack_size is an odd number of pages for the same reason: TLBs are indexed
//   by the low bits of the page number, and stacks 256 KiB apart meet in a few
//   of its sets (a ring of 1000 stacks: 11 ns a switch, against 31).
// - san: SanStack, in sanitizer builds only.
//
// A stack nobody uses is in one of these states:
//   fresh    never handed out: no memory, no guard
//   clean    scavenged: no memory, guarded
//   resting  given, with whatever memory it touched; in a cache or the pool
// Take prefers resting stacks, then clean ones, then fresh ones. Lists hold
// stacks by their address and never look into them: a list through the stacks'
// own memory would touch cold lines and pages (100 ns a stack in a wave of
// 100,000, against 4).
//
// Giving memory back: Give trims a deep stack; Scavenge, called now and then
// from any thread, makes resting stacks clean. Address space is kept until the
// pool is destroyed.
//
// Limits: 128 slabs of at most 16 GiB. On kernels without MADV_GUARD_INSTALL
// two mappings a stack count against vm.max_map_count (65530 by default).
//
// Rejected: a mapping a stack (a system call at each creation, two mappings
// each); populating the top pages of a batch by MADV_POPULATE_WRITE (as dear
// as the page faults it saves); MAP_GROWSDOWN (shares the guard of its
// neighbour).
#ifndef MPG_RUNTIME_STACK_STACK_H_
#define MPG_RUNTIME_STACK_STACK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/cacheline.h"
#include "base/lock.h"
#include "runtime/stack/ring.h"
#include "runtime/stack/stack_memory.h"
#include "runtime/switch/fiber_san.h"

namespace mpg {
namespace internal {

class StackCache;

// A stack, by its usable top: the first push goes below hi. A multiple of 64.
struct Stack {
  char* hi = nullptr;
  explicit operator bool() const { return hi != nullptr; }
};

struct StackPoolOptions {
  // Address space a stack, guard included; rounded up to an odd number of pages
  // and to at least 32 KiB.
  size_t stack_size = 256 << 10;
  // hi varies by colours * colour_step bytes; colours is a power of two, and 1
  // turns it off. Figures: stack_benchmark's ring.
  int colours = 16;
  int colour_step = 64;
  StackSyscalls* syscalls = nullptr;  // null: the kernel's; for tests
};

struct StackStats {
  size_t in_use = 0;        // taken and not given
  size_t cached = 0;        // at hand in StackCaches
  size_t resting = 0;       // in the pool, with memory
  size_t clean = 0;         // in the pool, scavenged
  size_t bytes_mapped = 0;  // address space
};

// Thread safety: every method from any thread, unless it says otherwise. No
// method is called by users of StackCache on the hot path.
class StackPool {
 public:
  // The pool is empty: nothing is mapped before the first Take.
  explicit StackPool(const StackPoolOptions& options);
  // Unmaps everything, stacks in use included.
  // REQUIRES: no StackCache is left, and nobody runs on a stack of the pool.
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  // Bytes of a slot; at least what the options asked for.
  size_t stack_size() const { return stack_size_; }
  // The lowest usable address, and the bytes from there up to hi.
  char* Lo(Stack s) const { return Slot(s) + kGuardSize; }
  size_t Usable(Stack s) const { return static_cast<size_t>(s.hi - Lo(s)); }
  // The sanitizers' record of the stack; see fiber_san.h.
  SanStack* San(Stack s) const {
    return reinterpret_cast<SanStack*>(Slot(s) + stack_size_ - kSanStackBytes);
  }

  // True if addr lies in the guard of one of the pool's stacks, which is then
  // stored in *stack: an access there is an overflow of it. Async-signal-safe
  // and lock-free.
  bool IsGuardHit(const void* addr, Stack* stack) const;

  // Gives back all memory of the stack except its topmost kTrimKeep bytes; one
  // system call. REQUIRES: nobody runs on it.
  void Trim(Stack s);

  // Gives back the memory of stacks that rested in the pool ever since the
  // previous call, the longest resting first, at most max of them; returns how
  // many. The lock is not held while the kernel works.
  size_t Scavenge(size_t max);

  // Exact when nothing moves.
  StackStats Stats() const;

  // A goroutine that was more than this below hi when it parked is deep.
  static constexpr size_t kTrimKeep = 16 << 10;
  // More than a page, so that a large frame without stack probes cannot step
  // over it easily. Costs the same as one page.
  static constexpr size_t kGuardSize = 16 << 10;

 private:
  friend class StackCache;

  static constexpr int kMaxSlabs = 128;
  static constexpr size_t kFirstSlabStacks = 64;
  static constexpr size_t kMaxSlabBytes = size_t{16} << 30;
  static constexpr int kBatch = 32;

  struct Slab {
    char* base = nullptr;  // of the first slot
    size_t stacks = 0;
    char* mapping = nullptr;
    size_t mapping_size = 0;
  };

  char* Slot(Stack s) const {
    return s.hi - 1 - reinterpret_cast<uintptr_t>(s.hi - 1) % stack_size_;
  }
  Stack StackInSlot(char* slot) const;

  // Stores up to kBatch resting stacks, the one to take first last; if there
  // are none, up to `cold` clean or fresh ones. Returns how many; 0 and *why on
  // failure.
  int Refill(Stack* out, int cold, absl::Status* why);
  int GetFresh(Stack* out, int max, absl::Status* why);
  void PutResting(const Stack* stacks, int count);
  bool GuardAll(const Stack* stacks, int count, absl::Status* why);
  // A slot never handed out, or null and *why.
  char* FreshSlot(absl::Status* why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  bool Grow(absl::Status* why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void AddCache(StackCache* cache);
  void RemoveCache(StackCache* cache);
  void ClearSlots(const Stack* stacks, int count);

  const size_t stack_size_;
  const int colours_;
  const int colour_step_;
  StackMemory memory_;

  // Guards what follows; a leaf. Held for a few dozen instructions, but for the
  // mmap and the larger lists that come with a new slab.
  MPG_CACHELINE_ALIGNED mutable RuntimeLock lock_;
  // Both have room for all stacks of all slabs. Longest resting in front.
  Ring<Stack> resting_ ABSL_GUARDED_BY(lock_);
  Ring<Stack> clean_ ABSL_GUARDED_BY(lock_);
  // How many in front of resting_ nobody has taken in this period of Scavenge.
  size_t untouched_ ABSL_GUARDED_BY(lock_) = 0;
  // Fresh slots whose guard could not be installed.
  std::vector<char*> unguarded_ ABSL_GUARDED_BY(lock_);
  size_t next_fresh_ ABSL_GUARDED_BY(lock_) = 0;  // in the last slab
  size_t next_slab_stacks_ ABSL_GUARDED_BY(lock_) = kFirstSlabStacks;
  size_t total_stacks_ ABSL_GUARDED_BY(lock_) = 0;  // slots of all slabs
  size_t created_ ABSL_GUARDED_BY(lock_) = 0;       // handed out ever
  size_t bytes_mapped_ ABSL_GUARDED_BY(lock_) = 0;
  std::vector<StackCache*> caches_ ABSL_GUARDED_BY(lock_);
  // Written under lock_, slabs_[i] before slab_count_ becomes i + 1, and never
  // again; read without it by IsGuardHit.
  Slab slabs_[kMaxSlabs];
  std::atomic<int> slab_count_{0};
};

// A processor's stacks, 64 at most.
//
// Thread safety: only the owner calls Take, TakeHot, Give and Flush. The
// owner may change if each hand-over synchronizes.
class StackCache {
 public:
  // `pool` must outlive this.
  explicit StackCache(StackPool* pool);
  // REQUIRES: flushed.
  ~StackCache();
  StackCache(const StackCache&) = delete;
  StackCache& operator=(const StackCache&) = delete;

  // The stack given last, else one of the pool's. Empty on failure, with the
  // reason in *why, which is not written otherwise: the kernel refuses address
  // space or a guard, or the pool's limit is reached.
  ABSL_MUST_USE_RESULT Stack Take(absl::Status* why) {
    const Stack s = TakeHot();
    if (ABSL_PREDICT_TRUE(s)) return s;
    return RefillAndTake(why);
  }

  // Takes a stack that is at hand: no lock, no system call. Empty if none is.
  ABSL_MUST_USE_RESULT Stack TakeHot() {
    // relaxed, here and below: only the owner writes count_.
    const uint32_t n = count_.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_FALSE(n == 0)) return Stack();
    count_.store(n - 1, std::memory_order_relaxed);
    return stacks_[n - 1];
  }

  // Gives a stack of the same pool, perhaps taken through another cache. deep:
  // the goroutine was seen more than StackPool::kTrimKeep below hi; its memory
  // is given back but for the top. A sample of the others is looked at.
  // REQUIRES: nobody runs on it, and it will not be switched to again.
  void Give(Stack s, bool deep) {
    SanOnStackGiven(pool_->Lo(s), pool_->Usable(s));
    if (ABSL_PREDICT_FALSE(deep)) {
      pool_->Trim(s);
    } else if (ABSL_PREDICT_FALSE(--until_sample_ == 0)) {
      Sample(s);
    }
    uint32_t n = count_.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_FALSE(n == kCapacity)) n = Spill();
    stacks_[n] = s;
    count_.store(n + 1, std::memory_order_relaxed);
  }

  // Gives everything to the pool: when the processor stays idle or is done.
  void Flush();

  // Stacks at hand; any thread. relaxed: a figure for people.
  size_t Count() const { return count_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kCapacity = 2 * StackPool::kBatch;
  // mincore takes 1 us here; so that it adds 1 ns. Untuned otherwise.
  static constexpr uint32_t kSamplePeriod = 1024;

  Stack RefillAndTake(absl::Status* why);
  uint32_t Spill();
  void Sample(Stack s);

  StackPool* const pool_;
  // Written by the owner; read by Count.
  std::atomic<uint32_t> count_{0};
  uint32_t until_sample_ = kSamplePeriod;
  // Doubles with each refill by clean or fresh stacks, so that a program with
  // few goroutines does not pay for many guards.
  int cold_refill_ = 2;
  Stack stacks_[kCapacity];  // the hottest last
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_STACK_STACK_H_
