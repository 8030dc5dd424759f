// What stacks ask of the kernel: address space, guards, and giving memory back.
//
// StackSyscalls is the seam where a test makes the kernel refuse or be old;
// StackMemory is the policy above it, which finds out what the kernel can do.
#ifndef MPG_RUNTIME_STACK_STACK_MEMORY_H_
#define MPG_RUNTIME_STACK_STACK_MEMORY_H_

#include <sys/uio.h>

#include <atomic>
#include <cstddef>

namespace mpg {
namespace internal {

// The system calls, as their manual pages have them: -1 and errno on failure.
// Thread safety: all methods from any thread.
class StackSyscalls {
 public:
  virtual ~StackSyscalls() = default;
  // Anonymous, private, readable and writable, nothing reserved; null on
  // failure.
  virtual void* Map(size_t size);
  virtual int Unmap(void* base, size_t size);
  virtual int Advise(void* base, size_t size, int advice);
  // process_madvise on the calling process: the number of bytes advised.
  virtual ssize_t AdviseMany(const iovec* ranges, int count, int advice);
  virtual int ProtectNone(void* base, size_t size);
  // How many pages of the range are in memory.
  virtual int ResidentPages(void* base, size_t size);
};

// Thread safety: all methods from any thread.
class StackMemory {
 public:
  static constexpr int kMaxRanges = 64;

  // Null: the kernel's own. `syscalls` must outlive this.
  explicit StackMemory(StackSyscalls* syscalls = nullptr);

  // Address space that takes no memory until touched and never gets huge pages
  // (a parked goroutine shall cost one small page). Null and errno on failure.
  char* Map(size_t size);
  void Unmap(char* base, size_t size);

  // Makes every access to the ranges fault. False and errno on failure; some
  // ranges may be guarded then, and guarding them again is allowed. ENOMEM in
  // the fallback usually means vm.max_map_count.
  // REQUIRES: count <= kMaxRanges.
  //
  // By MADV_GUARD_INSTALL (Linux 6.13), which marks page table entries and
  // splits no mapping, for all ranges in one call where process_madvise takes
  // PIDFD_SELF (6.14: 0.55 us a guard in batches of 32, 0.9 us one by one);
  // else by mprotect (2.4 us), which costs two mappings a stack.
  bool Guard(const iovec* ranges, int count);

  // Gives the memory of the ranges back; they read as zero afterwards, and
  // guards within them stay. False and errno on failure (locked memory).
  // REQUIRES: count <= kMaxRanges.
  bool Discard(const iovec* ranges, int count);

  // False on failure too.
  bool AnyResident(char* base, size_t size);

  // True once guards turned out to split mappings.
  bool GuardsSplitMappings() const {
    // relaxed: see guard_way_.
    return guard_way_.load(std::memory_order_relaxed) == GuardWay::kProtect;
  }

 private:
  enum class GuardWay { kAdvise, kProtect };

  bool AdviseAll(const iovec* ranges, int count, int advice);

  StackSyscalls* const syscalls_;
  // The best way that has not failed yet. Any thread; relaxed: it stands for
  // itself, and trying a better way once more does no harm.
  std::atomic<GuardWay> guard_way_;
  // process_madvise works on this process. As guard_way_.
  std::atomic<bool> advise_many_{true};
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_STACK_STACK_MEMORY_H_
